"""Events of the wire, made by hypothesis."""

from hypothesis import strategies as st

from gateway.wire import (
    Ack,
    Audio,
    AudioFormat,
    ClientEvent,
    Correction,
    Cue,
    CueEvent,
    CueState,
    Encoding,
    Endpointing,
    Error,
    Final,
    Finished,
    Flush,
    Flushed,
    Gap,
    KeepAlive,
    Latency,
    Ready,
    Resume,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
    Start,
    Warning,
    WordSpan,
)

__all__ = ["JSON_VALUES", "controls", "resumes", "server_events", "starts"]

_INTEGERS = st.integers(-(2**53), 2**53)
_NUMBERS = st.floats(-(2.0**53), 2.0**53)
_COUNTS = st.integers(0, 2**53)
_SAMPLES = st.integers(0, 2**40)  # two years of audio
_TEXT = st.text(max_size=40)
_MICROSECONDS = st.integers(0, 10**9).map(lambda count: count / 10**6)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | _INTEGERS | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
"""Any JSON value."""


def starts() -> st.SearchStrategy[Start]:
    """Return any start that a codec may write, sensible or not."""
    formats = st.builds(AudioFormat, st.sampled_from(Encoding), st.integers(8_000, 48_000), st.sampled_from((1, 2)))
    endpointing = st.builds(
        Endpointing,
        detector=st.none() | _TEXT,
        silence_ms=st.none() | _INTEGERS,
        pause_ms=st.none() | _INTEGERS,
        max_utterance_s=st.none() | _NUMBERS,
        partial_interval_ms=st.none() | _INTEGERS,
    )
    return st.builds(
        Start,
        audio=formats,
        language=st.none() | _TEXT,
        prompt=_TEXT,
        endpointing=endpointing,
        cue_profile=st.none() | _TEXT,
        partials=st.booleans(),
        words=st.booleans(),
        resumable=st.booleans(),
        languages=st.lists(_TEXT, max_size=3).map(tuple),
    )


def resumes() -> st.SearchStrategy[Resume]:
    """Return any resume that a codec may write."""
    return st.builds(Resume, _TEXT, _TEXT, _COUNTS, _COUNTS)


def controls() -> st.SearchStrategy[ClientEvent]:
    """Return any client event between start and stop."""
    return st.builds(Audio, st.binary(max_size=40)) | st.builds(Flush, _TEXT) | st.just(KeepAlive())


def server_events() -> st.SearchStrategy[ServerEvent]:
    """Return any event of a session."""
    cues = st.builds(
        Cue,
        cue_id=_TEXT,
        utterance_id=_COUNTS,
        revision=_COUNTS,
        start_sample=_SAMPLES,
        end_sample=_SAMPLES,
        lines=st.lists(_TEXT, max_size=3).map(tuple),
        stable_chars=_COUNTS,
        state=st.sampled_from(CueState),
    )
    words = st.builds(WordSpan, _TEXT, _SAMPLES, _SAMPLES, st.none() | st.floats(0, 1))
    finals = st.builds(
        Final,
        seq=_COUNTS,
        utterance_id=_COUNTS,
        start_sample=_SAMPLES,
        end_sample=_SAMPLES,
        text=_TEXT,
        language=st.none() | _TEXT,
        latency=st.builds(Latency, _MICROSECONDS, _MICROSECONDS, _MICROSECONDS, _MICROSECONDS),
        words=st.lists(words, max_size=3).map(tuple),
        error=st.none() | _TEXT,
    )
    return st.one_of(
        st.builds(Ready, _COUNTS, _TEXT, _TEXT, _TEXT, _TEXT, st.none() | _TEXT),
        st.builds(Ready, _COUNTS, _TEXT, _TEXT, _TEXT, _TEXT, st.none() | _TEXT, _TEXT, _COUNTS),
        st.builds(Gap, _COUNTS, _SAMPLES, _SAMPLES),
        st.builds(SpeechStarted, _COUNTS, _COUNTS, _SAMPLES),
        st.builds(SpeechEnded, _COUNTS, _COUNTS, _SAMPLES, _SAMPLES, _TEXT),
        st.builds(CueEvent, _COUNTS, cues),
        finals,
        st.builds(
            Correction,
            _COUNTS,
            _COUNTS,
            _COUNTS,
            _TEXT,
            st.lists(cues, max_size=3).map(tuple),
            st.lists(words, max_size=3).map(tuple),
        ),
        st.builds(Flushed, _COUNTS, _TEXT),
        st.builds(Ack, _COUNTS, _COUNTS, _COUNTS),
        st.builds(Warning, _COUNTS, _TEXT, _TEXT),
        st.builds(Error, _COUNTS, _TEXT, _TEXT, st.booleans(), st.none() | _TEXT),
        st.builds(Finished, _COUNTS, _SAMPLES, _COUNTS),
    )
