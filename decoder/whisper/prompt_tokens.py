"""Build a plan's context from the request's prompt and the words before a cut, and remove repeated prompts."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from decoder.prompts import is_confirmed, repeats_prompt
from decoder.types import Word
from decoder.whisper.batch_plan import CONTEXT_TOKENS, Plan, carried_tokens
from decoder.whisper.network import Generated, Network
from decoder.whisper.vocabulary import Vocabulary

__all__ = ["context_of", "free_of_prompts", "goes_on_from", "without_prompt"]


def context_of(prompt: str, before: Sequence[Word], vocabulary: Vocabulary) -> tuple[int, ...]:
    """Return <|startofprev|> and the tokens of the preceding text, or an empty tuple if there is none.

    Args:
        prompt: of the request; only the end of a long one is used.
        before: committed words before the cut.
        vocabulary: of the model.

    Raises:
        TypeError, ValueError: the prompt or a word has lone surrogates.
    """
    prompted = vocabulary.tokens(f" {prompt.strip()}" if prompt.strip() else "")
    carried = tuple(token for word in before for token in vocabulary.tokens(word.text))
    return goes_on_from(prompted + carried[len(carried) - carried_tokens(len(carried)) :], vocabulary)


def goes_on_from(tokens: Sequence[int], vocabulary: Vocabulary) -> tuple[int, ...]:
    """Return <|startofprev|> and the last tokens that Whisper accepts, or an empty tuple if there are none."""
    context = tokens[-(CONTEXT_TOKENS // 2 - 1) :]
    return (vocabulary.sot_prev, *context) if context else ()


def without_prompt(plan: Plan, vocabulary: Vocabulary) -> Plan:
    """Return the plan without the request's prompt in its context."""
    return replace(plan, context=context_of("", plan.before.words, vocabulary)) if plan.request.prompt else plan


def free_of_prompts(generated: Sequence[Generated], network: Network, proceed: Callable[[], None]) -> list[Generated]:
    """Return the texts; one that repeats its prompt instead of the audio is replaced by a decode without the prompt.

    Whisper treats a prompt as the text before the audio: it continues it, and repeats it if the audio is unclear. So a
    text that may be a copy of the prompt is decoded again without it, from the same encoder output.

    Args:
        generated: in any order.
        network: the network that generated them.
        proceed: called before each of these decodes; an exception from it ends the work.
    """
    return [_freed(item, network, proceed) for item in generated]


def _freed(generated: Generated, network: Network, proceed: Callable[[], None]) -> Generated:
    request, text = generated.plan.request, network.vocabulary.text(generated.tokens)
    if not repeats_prompt(text, request.prompt):
        return generated
    proceed()
    plan = without_prompt(generated.plan, network.vocabulary)
    [free] = network.generate([plan], [generated.encoded], [generated.language], request.temperature)
    network.work.redecoded += 1
    return generated if is_confirmed(text, request.prompt, network.vocabulary.text(free.tokens)) else free
