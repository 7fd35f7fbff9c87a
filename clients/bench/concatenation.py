"""Recordings joined for streams that last longer than one: their audio, and their references shifted. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clients.bench.reference import Reference, with_ends_of_speech

__all__ = ["GAP_S", "Clip", "concatenate", "rotation"]

GAP_S = 1.0
"""Silence between two recordings: ends speech in every endpointer's opinion."""

_BYTES_PER_SAMPLE = 2


@dataclass(frozen=True, slots=True)
class Clip:
    """Audio and what is spoken in it.

    Attributes:
        reference: whose duration is that of the audio.
        pcm: s16le mono.
    """

    reference: Reference
    pcm: bytes


def concatenate(clips: Sequence[Clip], sample_rate_hz: int, gap_s: float = GAP_S) -> Clip:
    """Return clips one after the other, with silence between them; one clip is returned as it is.

    Args:
        clips: at least one, of one language besides those without speech.
        sample_rate_hz: of their audio.
        gap_s: silence between two.

    Raises:
        ValueError: there is no clip, or their languages differ.
    """
    languages = sorted({clip.reference.language for clip in clips if clip.reference.language is not None})
    if not clips or len(languages) > 1:
        raise ValueError(f"{len(clips)} clips in languages {languages}: expected at least one clip, and one language")
    if len(clips) == 1:
        return clips[0]
    silence = bytes(_BYTES_PER_SAMPLE * round(gap_s * sample_rate_hz))
    pcm, words = bytearray(), []
    for clip in clips:
        pcm += silence if pcm else b""
        shift_s = len(pcm) / _BYTES_PER_SAMPLE / sample_rate_hz
        pcm += clip.pcm
        words += [
            replace(word, start_s=word.start_s + shift_s, end_s=word.end_s + shift_s) for word in clip.reference.words
        ]
    reference = Reference(
        recording="+".join(clip.reference.recording for clip in clips),
        language=languages[0] if languages else None,
        duration_s=len(pcm) / _BYTES_PER_SAMPLE / sample_rate_hz,
        words=with_ends_of_speech(words),
        has_times=all(clip.reference.has_times for clip in clips),
        terms=tuple(dict.fromkeys(term for clip in clips for term in clip.reference.terms)),
    )
    return Clip(reference, bytes(pcm))


def rotation(references: Sequence[Reference], first: int, least_s: float, gap_s: float = GAP_S) -> list[int]:
    """Return which recordings a stream plays, in order, as indices: at least one, and as many as it must last.

    It begins with one recording, and goes on with the next ones of that one's language. Recordings with speech and
    those without are not mixed, and neither are those with word times and those without.

    Args:
        references: of all recordings, at least one.
        first: index of the first recording, from 0; beyond the last one, they begin again.
        least_s: least length of the stream.
        gap_s: silence between two recordings.
    """
    order = [(first + number) % len(references) for number in range(len(references))]
    fitting = [place for place in order if _kind(references[place]) == _kind(references[order[0]])]
    chosen, length_s = [fitting[0]], references[fitting[0]].duration_s
    while length_s < least_s:
        chosen.append(fitting[len(chosen) % len(fitting)])
        length_s += gap_s + references[chosen[-1]].duration_s
    return chosen


def _kind(reference: Reference) -> tuple[str | None, bool, bool]:
    return reference.language, bool(reference.words), reference.has_times
