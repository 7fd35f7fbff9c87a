"""Times for the words of a corrected text, by alignment with the words before. PURE.

Words that are unchanged, but for case and punctuation, keep their times. Words between two of them share the time from
the end of the one to the start of the other; where words were replaced, the time of these.
"""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from decoder.stabiliser import normalise_word
from decoder.types import Word
from gateway.captions.line_breaking import pieces_of
from gateway.text import join_lines
from gateway.wire import Cue, Final

__all__ = ["realigned", "words_of"]


def words_of(final: Final, cues: Sequence[Cue]) -> tuple[Word, ...]:
    """Return the words of an utterance with their times, as well as these are known.

    A final has its words if the client requested them. Otherwise those of each cue share its time, in proportion to
    their length, which is exact where a cue begins; or, without cues, those of the final.

    Args:
        final: of the utterance.
        cues: its final cues, oldest first.
    """
    if final.words:
        timed = [Word(word.text, word.start_sample, word.end_sample, word.probability) for word in final.words]
    elif cues:
        # cues stay beyond the speech, where there is room
        timed = [Word(join_lines(cue.lines), cue.start_sample, min(cue.end_sample, final.end_sample)) for cue in cues]
    else:
        timed = [Word(final.text, final.start_sample, final.end_sample)]
    return _divided(timed)


def realigned(text: str, before: Sequence[Word], start_sample: int, end_sample: int) -> tuple[Word, ...]:
    """Return the words of a corrected text with times, each with its leading space.

    Args:
        text: corrected; may be empty.
        before: the words before the correction, in order, as `words_of` returned them.
        start_sample: of the utterance; words added before the first begin here.
        end_sample: of the utterance; words added after the last end here.
    """
    words = _divided([Word(text, 0, 0)])
    timed: list[Word] = []
    matcher = SequenceMatcher(None, _keys(before), _keys(words), autojunk=False)
    for kind, first, last, begin, end in matcher.get_opcodes():
        if kind == "equal":
            timed += map(_with_time_of, words[begin:end], before[first:last])
        elif kind == "replace":
            timed += _shared(words[begin:end], before[first].start_sample, before[last - 1].end_sample)
        elif kind == "insert":
            earliest_sample = before[first - 1].end_sample if first else start_sample
            latest_sample = before[first].start_sample if first < len(before) else end_sample
            timed += _shared(words[begin:end], min(earliest_sample, latest_sample), latest_sample)
    return tuple(timed)


def _divided(words: Iterable[Word]) -> tuple[Word, ...]:
    """Return words cut at spaces and between characters of scripts without spaces, each with a share of the time."""
    return tuple(
        Word(f" {piece.text}" if piece.spaced else piece.text, piece.start_sample, piece.end_sample, word.probability)
        for word in words
        for piece in pieces_of([word], max_width=2 * len(word.text) + 2)  # so that none is cut for its width
    )


def _shared(words: Sequence[Word], start_sample: int, end_sample: int) -> list[Word]:
    """Return words that share a span in proportion to their length."""
    whole, done = sum(len(word.text) for word in words), 0
    shared: list[Word] = []
    for word in words:
        begin_sample = start_sample + (end_sample - start_sample) * done // whole
        done += len(word.text)
        shared.append(Word(word.text, begin_sample, start_sample + (end_sample - start_sample) * done // whole))
    return shared


def _with_time_of(word: Word, before: Word) -> Word:
    return Word(word.text, before.start_sample, before.end_sample, before.probability)


def _keys(words: Iterable[Word]) -> list[str]:
    return [normalise_word(word.text) for word in words]
