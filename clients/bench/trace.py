"""What was observed of one stream: times of frames, transcripts and failures. PURE.

All times are seconds since the audio of the stream began: position *p* was captured at time *p*, and a frame is due
when its last sample has been captured. So `observed time − position` is a lag.
"""

from dataclasses import dataclass, field

from clients.dialects.driver import Transcript

__all__ = ["Cut", "Observed", "Pacing", "StreamTrace"]


@dataclass(frozen=True, slots=True)
class Observed:
    """A transcript and the time of its arrival; segments of different connections of a stream have different ids."""

    at_s: float
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Cut:
    """A connection that the bench cut.

    Attributes:
        at_s: time of the cut.
        live_s: time at which the server took audio again; None: never.
        resumed: whether the dialect resumed the session, rather than beginning another.
    """

    at_s: float
    live_s: float | None
    resumed: bool


@dataclass(slots=True)
class Pacing:
    """How the client kept its clock.

    Attributes:
        frames: sent.
        late_s: of each frame: from its due time until the client queued it. The client's own fault.
        blocked_s: of each frame: from then until it was written. The server's backpressure.
    """

    frames: int = 0
    late_s: list[float] = field(default_factory=list)
    blocked_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class StreamTrace:
    """One stream, from connect to end.

    Attributes:
        stream: its number in the run, from 0.
        recording: id of its recording, or of its concatenation of recordings (`Reference.recording`).
        audio_s: duration of the audio that was played.
        connect_s: from the attempt to connect until the server was ready; None: never.
        transcripts: in order of arrival.
        cuts: by the bench.
        failure: code and message, if the session was refused or ended early.
        was_refused: whether the failure came before the server took audio.
        ended_s: time at which the server had answered everything; None: it never did.
        pacing: of its frames.
        began_s: time at which its audio began, since the start of the run.
    """

    stream: int
    recording: str
    audio_s: float
    connect_s: float | None = None
    transcripts: list[Observed] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    failure: tuple[str, str] | None = None
    was_refused: bool = False
    ended_s: float | None = None
    pacing: Pacing = field(default_factory=Pacing)
    began_s: float = 0.0
