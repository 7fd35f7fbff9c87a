"""Words as clients get them: whole, and joined as they are written. PURE.

An engine's words have the space before them, and parts of one word have none (" real", "-time"). Clients get words
without spaces around them, so a part is joined with its word here, and each word says whether a space stands before it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from decoder.types import Word
from gateway.text import is_unspaced
from gateway.wire.server_events import WordSpan

__all__ = ["after_words", "join_words", "settled_and_open", "text_of", "whole_words"]

_NO_BREAK_SPACES = "\u00a0\u2007\u202f"
"""Part of what is written: French has one before "?"."""

_GAPS = "".join(c for c in map(chr, range(0x3001)) if c.isspace() and c not in _NO_BREAK_SPACES)
"""What stands between words; Unicode has no white space beyond the ideographic one."""


def join_words(words: Iterable[WordSpan]) -> str:
    """Return words as they are written, without space at either end.

    Args:
        words: in order; those without text are left out.
    """
    joined = ""
    for word in words:
        joined += f" {word.text}" if joined and word.spaced and word.text else word.text
    return joined


def text_of(words: Iterable[Word]) -> str:
    """Return an engine's words as they are written, without space at either end."""
    return join_words(whole_words(words))


def whole_words(words: Iterable[Word]) -> tuple[WordSpan, ...]:
    """Return an engine's words, the parts of each as one; in a script without spaces they are as the engine cuts them.

    A word is as sure as the least sure of its parts.
    """
    spans: list[WordSpan] = []
    has_gap = False
    for word in words:
        has_gap = has_gap or word.text != word.text.lstrip(_GAPS)
        text = word.text.strip(_GAPS)
        if not text.strip():
            continue
        if not spans:
            text = text.lstrip()  # a no-break space has nothing to hold on to
            spans.append(_span(text, word, spaced=not is_unspaced(text[0], text[0])))
        elif has_gap or is_unspaced(spans[-1].text[-1], text[0]):
            spans.append(_span(text, word, spaced=has_gap))
        else:
            spans[-1] = _with_part(spans[-1], text, word)
        has_gap = word.text[-1] in _GAPS
    return tuple(spans)


def settled_and_open(
    committed: Sequence[Word], tail: Sequence[Word]
) -> tuple[tuple[WordSpan, ...], tuple[WordSpan, ...]]:
    """Return the whole words that are committed, and the others: a word is open as long as a part of it is."""
    settled, words = whole_words(committed), whole_words((*committed, *tail))
    is_whole = words[: len(settled)] == settled
    count = len(settled) if is_whole else len(settled) - 1
    return words[:count], words[count:]


def after_words(before: Sequence[WordSpan], words: Sequence[WordSpan]) -> tuple[WordSpan, ...]:
    """Return words of another utterance as they follow those of the one before."""
    if not before or not words:
        return tuple(words)
    first = replace(words[0], spaced=not is_unspaced(before[-1].text[-1:], words[0].text[:1]))
    return (first, *words[1:])


def _span(text: str, word: Word, *, spaced: bool) -> WordSpan:
    return WordSpan(text, word.start_sample, word.end_sample, word.probability, spaced)


def _with_part(span: WordSpan, text: str, part: Word) -> WordSpan:
    least = None
    if span.probability is not None and part.probability is not None:
        least = min(span.probability, part.probability)
    end_sample = max(span.end_sample, part.end_sample)
    return replace(span, text=span.text + text, end_sample=end_sample, probability=least)
