"""Whole words from an engine's words, and text from words. PURE.

An engine's words include their leading space, and the parts of one word have none (" real", "-time"). Clients get words
without surrounding spaces, so parts are joined to words here, and `spaced` records whether a space precedes a word.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from decoder.types import Word
from gateway.text import is_unspaced
from gateway.wire.server_events import WordSpan

__all__ = ["after_words", "committed_and_open", "join_words", "text_of", "whole_words"]

_NO_BREAK_SPACES = "\u00a0\u2007\u202f"
"""Part of the text: French has one before "?"."""

_GAPS = "".join(c for c in map(chr, range(0x3001)) if c.isspace() and c not in _NO_BREAK_SPACES)
"""What separates words; Unicode has no white space beyond the ideographic one."""


def join_words(words: Iterable[WordSpan]) -> str:
    """Return words as text, without space at either end.

    Args:
        words: in order; those without text are skipped.
    """
    joined = ""
    for word in words:
        joined += f" {word.text}" if joined and word.spaced and word.text else word.text
    return joined


def text_of(words: Iterable[Word]) -> str:
    """Return an engine's words as text, without space at either end."""
    return join_words(whole_words(words))


def whole_words(words: Iterable[Word]) -> tuple[WordSpan, ...]:
    """Return an engine's words with their parts joined; in a script without spaces they stay as the engine cut them.

    The probability of a word is the lowest of its parts.
    """
    spans: list[WordSpan] = []
    has_gap = False
    for word in words:
        has_gap = has_gap or word.text != word.text.lstrip(_GAPS)
        text = word.text.strip(_GAPS)
        if not text.strip():
            continue
        if not spans:
            text = text.lstrip()  # a leading no-break space binds nothing
            spans.append(_span(text, word, spaced=not is_unspaced(text[0], text[0])))
        elif has_gap or is_unspaced(spans[-1].text[-1], text[0]):
            spans.append(_span(text, word, spaced=has_gap))
        else:
            spans[-1] = _with_part(spans[-1], text, word)
        has_gap = word.text[-1] in _GAPS
    return tuple(spans)


def committed_and_open(
    committed: Sequence[Word], tail: Sequence[Word]
) -> tuple[tuple[WordSpan, ...], tuple[WordSpan, ...]]:
    """Return the committed whole words and the open ones; a word is open while any part of it is."""
    whole, words = whole_words(committed), whole_words((*committed, *tail))
    ends_with_whole = words[: len(whole)] == whole
    count = len(whole) if ends_with_whole else len(whole) - 1
    return words[:count], words[count:]


def after_words(before: Sequence[WordSpan], words: Sequence[WordSpan]) -> tuple[WordSpan, ...]:
    """Return an utterance's words with the spacing they need after the words of the utterance before."""
    if not before or not words:
        return tuple(words)
    first = replace(words[0], spaced=not is_unspaced(before[-1].text[-1:], words[0].text[:1]))
    return (first, *words[1:])


def _span(text: str, word: Word, *, spaced: bool) -> WordSpan:
    return WordSpan(text, word.start_sample, word.end_sample, word.probability, spaced)


def _with_part(span: WordSpan, text: str, part: Word) -> WordSpan:
    lowest = None
    if span.probability is not None and part.probability is not None:
        lowest = min(span.probability, part.probability)
    end_sample = max(span.end_sample, part.end_sample)
    return replace(span, text=span.text + text, end_sample=end_sample, probability=lowest)
