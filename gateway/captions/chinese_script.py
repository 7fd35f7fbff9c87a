"""Chinese in one script. Engines write either, whatever was spoken, and may change between two utterances."""

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
"""OpenCC's. Not those for Taiwan's and Hong Kong's words: they would change what was spoken."""


def with_script(answer: Answer, asked: Script | None, otherwise: Script | None) -> Answer:
    """Return an answer with its Chinese in one script.

    Args:
        answer: of an engine.
        asked: the script that the client asks for, or None.
        otherwise: that of Mandarin where the client asks for none; None: as the engine writes it. Cantonese stays as it
            is then.
    """
    outcome = answer.outcome
    if not isinstance(outcome, Hypothesis) or outcome.language not in ("zh", "yue"):
        return answer
    script = asked or (otherwise if outcome.language == "zh" else None)
    if script is None:
        return answer
    return replace(answer, outcome=replace(outcome, words=in_script(outcome.words, script)))


def in_script(words: tuple[Word, ...], script: Script) -> tuple[Word, ...]:
    """Return the words written in that script, their times as they were."""
    convert = _converter(script)
    text = "".join(word.text for word in words)
    whole = convert(text)
    if whole == text:
        return words
    if len(whole) != len(text):  # a phrase of another length: each word by itself
        return tuple(replace(word, text=convert(word.text)) for word in words)
    # The whole text, for many simplified characters stand for several: 头发 is 頭髮, 发财 is 發財.
    converted, first = [], 0
    for word in words:
        converted.append(replace(word, text=whole[first : first + len(word.text)]))
        first += len(word.text)
    return tuple(converted)


@cache
def _converter(script: Script) -> Callable[[str], str]:
    try:
        import opencc  # on use: its tables take a third of a second, and most gateways never write Chinese
    except ImportError:
        logger.warning("opencc is not installed: Chinese stays in the script that the engine writes")
        return lambda text: text
    convert: Callable[[str], str] = opencc.OpenCC(_CONFIGURATIONS[script]).convert
    return convert
