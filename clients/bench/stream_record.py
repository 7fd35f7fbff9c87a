"""Writes the trace of one stream: puts what happens on the stream's own clock. PURE."""

from dataclasses import replace
from typing import assert_never

from clients.bench.trace import Cut, Observed, StreamTrace
from clients.dialects.driver import DriverEvent, Failed, Finished, Ready, Transcript

__all__ = ["StreamRecord"]


class StreamRecord:
    """The record of a stream while it runs.

    Its states, by what happened last: connecting, playing (`ready`), cut (`cut`), playing again (`ready`), over.

    Args:
        trace: takes what is observed.
        start_s: of the run. This and all times below are of one clock.
    """

    def __init__(self, trace: StreamTrace, start_s: float) -> None:
        self.trace = trace
        self.begin_s: float | None = None
        """When its audio began; None: not yet."""
        self.is_over = False
        """Whether nothing more is to be observed."""
        self._start_s = start_s
        self._attempt_s = start_s
        self._sessions = 1
        self._session_start_s: float | None = 0.0
        self._has_finished = False

    @property
    def is_cut(self) -> bool:
        """Whether the connection was cut, and the server takes no audio yet."""
        return bool(self.trace.cuts) and self.trace.cuts[-1].live_s is None

    @property
    def is_live(self) -> bool:
        """Whether the server takes audio."""
        return self.begin_s is not None and not self.is_cut

    def connecting(self, now_s: float) -> None:
        """Record the first attempt to connect."""
        self._attempt_s = now_s

    def sent(self, position_s: float) -> None:
        """Record that audio was sent.

        Args:
            position_s: of its first sample.
        """
        if self._session_start_s is None:
            self._session_start_s = position_s

    def finishing(self) -> None:
        """Record that the end of the audio was sent."""
        self._has_finished = True

    def ready(self, now_s: float) -> None:
        """Record that the server takes audio, for the first time or again."""
        if self.begin_s is None:
            self.begin_s = now_s
            self.trace.began_s = now_s - self._start_s
            self.trace.connect_s = now_s - self._attempt_s
        elif self.is_cut:
            self.trace.cuts[-1] = replace(self.trace.cuts[-1], live_s=now_s - self.begin_s)

    def cut(self, now_s: float, *, resumes: bool) -> None:
        """Record that the bench cut the connection.

        Args:
            now_s: time of the cut.
            resumes: whether the session is taken up again; if not, another one begins with the next audio.
        """
        assert self.begin_s is not None, "a connection is cut only while audio plays"
        self.trace.cuts.append(Cut(now_s - self.begin_s, None, resumes))
        if not resumes:
            self._sessions += 1
            self._session_start_s = None

    def note(self, event: DriverEvent, now_s: float) -> None:
        """Record an event of the driver; nothing is recorded once the stream is over."""
        if self.is_over:
            return
        match event:
            case Ready():
                self.ready(now_s)
            case Transcript():
                if self.begin_s is not None:
                    self.trace.transcripts.append(Observed(now_s - self.begin_s, self._placed(event)))
            case Finished():
                self._finished(now_s)
            case Failed():
                self.fail(event.code, event.message)
            case _:
                assert_never(event)

    def fail(self, code: str, message: str) -> None:
        """Record that the session was refused, or ended early."""
        if not self.is_over:
            self.is_over = True
            self.trace.failure = (code, message)
            self.trace.was_refused = self.begin_s is None

    def _finished(self, now_s: float) -> None:
        if self.begin_s is None or not self._has_finished:
            self.fail("ended_early", "the server ended the session before the end of the audio")
            return
        self.is_over = True
        self.trace.ended_s = now_s - self.begin_s

    def _placed(self, transcript: Transcript) -> Transcript:
        """Return a transcript with an id and times that are unique in the stream, whatever the session."""
        if self._sessions == 1:
            return transcript
        shift_s = self._session_start_s or 0.0
        words = tuple(
            replace(word, start_s=word.start_s + shift_s, end_s=word.end_s + shift_s) for word in transcript.words
        )
        return replace(transcript, segment=f"{self._sessions}/{transcript.segment}", words=words)
