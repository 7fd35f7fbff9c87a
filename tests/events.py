"""Events of sessions, for tests of the journal and of delivery."""

from gateway.wire import Correction, CueEvent, Final, Latency, Ready
from gateway.wire.cue import Cue, CueState

__all__ = ["correction", "final", "final_cue", "partial_cue", "ready"]


def ready(seq: int = 1, session_id: str = "a") -> Ready:
    return Ready(seq, session_id, "scripted", "script", "none", "en")


def partial_cue(seq: int, utterance_id: int = 1, line: int = 1) -> CueEvent:
    return _cue(seq, utterance_id, line, CueState.PARTIAL)


def final_cue(seq: int, utterance_id: int = 1, line: int = 1) -> CueEvent:
    return _cue(seq, utterance_id, line, CueState.FINAL)


def final(seq: int, utterance_id: int = 1) -> Final:
    start = utterance_id * 16_000
    return Final(seq, utterance_id, start, start + 8_000, f"words {utterance_id}", "en", Latency(0, 0, 0, 0))


def correction(seq: int, utterance_id: int = 1, text: str = "corrected", revision: int = 1) -> Correction:
    start = utterance_id * 16_000 + 100
    cue = Cue(
        f"{utterance_id}.1", utterance_id, 1_000 + revision, start, start + 100, (text,), len(text), CueState.FINAL
    )
    return Correction(seq, utterance_id, revision, text, (cue,) if text else ())


def _cue(seq: int, utterance_id: int, line: int, state: CueState) -> CueEvent:
    start = utterance_id * 16_000 + line * 100
    return CueEvent(
        seq, Cue(f"{utterance_id}.{line}", utterance_id, seq, start, start + 100, (f"line {line}",), 0, state)
    )
