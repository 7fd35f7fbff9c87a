"""Conversion of Chinese text to one script: engines emit either, and may change between two utterances."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from decoder.languages import Script
from decoder.scheduler import Answer
from decoder.types import Hypothesis, Word

__all__ = ["in_script", "with_script"]

logger = logging.getLogger(__name__)

_CONFIGURATIONS = {Script.SIMPLIFIED: "t2s", Script.TRADITIONAL: "s2t"}
"""OpenCC's names. Its regional configurations also replace words, which would change the transcript."""


def with_script(answer: Answer, requested: Script | None, default: Script | None) -> Answer:
    """Return an answer with its Chinese in one script.

    Args:
        answer: of an engine.
        requested: the script that the client requests, or None.
        default: the script of Mandarin if the client requests none; None: the engine's. Cantonese is then unchanged.
    """
    outcome = answer.outcome
    if not isinstance(outcome, Hypothesis) or outcome.language not in ("zh", "yue"):
        return answer
    script = requested or (default if outcome.language == "zh" else None)
    if script is None:
        return answer
    return replace(answer, outcome=replace(outcome, words=in_script(outcome.words, script)))


def in_script(words: tuple[Word, ...], script: Script) -> tuple[Word, ...]:
    """Return the words in that script, with unchanged times."""
    convert = _converter(script)
    text = "".join(word.text for word in words)
    whole = convert(text)
    if whole == text:
        return words
    if len(whole) != len(text):  # the length changed: convert each word separately
        return tuple(replace(word, text=convert(word.text)) for word in words)
    # Convert the whole text, as many simplified characters are ambiguous: 头发 is 頭髮, 发财 is 發財.
    converted, first = [], 0
    for word in words:
        converted.append(replace(word, text=whole[first : first + len(word.text)]))
        first += len(word.text)
    return tuple(converted)


@cache
def _converter(script: Script) -> Callable[[str], str]:
    try:
        import opencc  # on first use: loading its tables takes a third of a second, and most gateways never need them
    except ImportError:
        logger.warning("opencc is not installed: Chinese text stays in the engine's script")
        return lambda text: text
    convert: Callable[[str], str] = opencc.OpenCC(_CONFIGURATIONS[script]).convert
    return convert
