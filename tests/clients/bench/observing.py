"""References and traces of streams, written down as text."""

from clients.bench.reference import Reference, ReferenceWord, with_ends_of_speech
from clients.bench.trace import Observed, StreamTrace
from clients.dialects.driver import Transcript


def spoken(text: str, *, pace_s: float = 0.5, start_s: float = 1.0) -> tuple[ReferenceWord, ...]:
    """Words of equal length, one after the other; each `|` is a pause of one second."""
    words, at_s = [], start_s
    for token in text.split():
        if token == "|":
            at_s += 1.0
        else:
            words.append(ReferenceWord(token, at_s, at_s + pace_s))
            at_s += pace_s
    return with_ends_of_speech(words)


def reference(
    text: str, *, language: str | None = "en", terms: tuple[str, ...] = (), has_times: bool = True
) -> Reference:
    words = spoken(text)
    duration_s = words[-1].end_s + 1 if words else 10.0
    return Reference("talk", language, duration_s, words, has_times, terms)


def partial(at_s: float, text: str, segment: str = "1", committed: str | None = None) -> Observed:
    committed_chars = None if committed is None else len(committed)
    return Observed(at_s, Transcript(segment, text, is_final=False, committed_chars=committed_chars))


def final(at_s: float, text: str, segment: str = "1") -> Observed:
    return Observed(at_s, Transcript(segment, text, is_final=True))


def trace(*transcripts: Observed, audio_s: float = 60.0, stream: int = 0, recording: str = "talk") -> StreamTrace:
    return StreamTrace(stream, recording, audio_s, transcripts=list(transcripts))
