"""The session of a meeting: a client that speaks recordings, what it receives, and one correction."""

import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from time import time

import anyio
from anyio import to_thread

from benchmarks.meeting_account import Caption
from benchmarks.meeting_places import spaced
from clients.connection import connect
from clients.paced_media import MEDIA_FORMAT, paced
from clients.stream import Lost, stream
from gateway.wire import (
    SAMPLE_RATE_HZ,
    Correction,
    Cue,
    CueEvent,
    CueState,
    Final,
    Finished,
    Ready,
    ServerEvent,
    SinksStatus,
    SinkStatus,
    Start,
)

__all__ = ["MeetingSession", "fetched", "text_of"]

_CORRECTED = "As corrected:"
"""What the correction puts before the text."""

_REQUEST_S = 10.0


class MeetingSession:
    """One session and what its client receives, with times in seconds since 1970.

    Args:
        url: of the gateway.
    """

    def __init__(self, url: str) -> None:
        self.session_id = ""
        self.is_ready = anyio.Event()
        self.began_s = 0.0
        """When the first audio was sent."""
        self.cues: list[tuple[Cue, float]] = []
        self.finals: list[tuple[Final, float]] = []
        self.correction: Correction | None = None
        self.statuses: dict[str, SinkStatus] = {}
        """The newest of each sink."""
        self.url = url
        self._events: list[Caption] = []
        self._has_final = anyio.Event()

    async def speak(self, frames: Sequence[bytes]) -> None:
        """Send audio in real time, and receive everything."""

        async def audio() -> AsyncIterator[bytes]:
            async for frame in paced(iter(frames), 1.0):
                self.began_s = self.began_s or time()
                yield frame

        start = Start(MEDIA_FORMAT, language="en", resumable=True)
        await stream(lambda: connect(self.url), start, audio(), self._receive, Lost(is_live=True))

    async def correct(self, at_s: float) -> None:
        """Correct the first final after that time."""
        await anyio.sleep(at_s - time())
        self._has_final = anyio.Event()
        await self._has_final.wait()
        final = self.finals[-1][0]
        place = f"{self.url}/v1/sessions/{self.session_id}/utterances/{final.utterance_id}"
        await to_thread.run_sync(_put_text, place, f"{_CORRECTED} {final.text}")

    def spoken_s(self) -> dict[str, float]:
        """Return when the words of each final cue were spoken, by its id."""
        return {cue.cue_id: self.began_s + cue.start_sample / SAMPLE_RATE_HZ for cue, _ in self.cues}

    def expected_of(self, name: str) -> list[Caption]:
        """Return what the sink of that name, or a viewer, was to receive."""
        match name:
            case "webhook":
                return self._events
            case "hls":
                return [Caption(cue.cue_id, at_s) for cue, at_s in self.cues]
            case "file" | "zoom" | "youtube" | "teams" | "obs":
                return [Caption(text_of(cue), at_s) for cue, at_s in self.cues]
            case _:
                return [Caption(spaced(self._newest_text(final)), at_s) for final, at_s in self.finals]

    def newest_cues(self) -> list[str]:
        """Return the text of all final cues, those of the correction in the place of what they replace."""
        replaced = self.correction.utterance_id if self.correction else None
        texts: list[str] = []
        for final, _ in self.finals:
            is_replaced = self.correction is not None and final.utterance_id == replaced
            texts += map(text_of, self.correction.cues if is_replaced and self.correction else self._cues_of(final))
        return texts

    def corrected_texts(self) -> set[str]:
        """Return the text of the cues that the correction has replaced, and of those that it has brought."""
        if self.correction is None:
            return set()
        before = [cue for cue, _ in self.cues if cue.utterance_id == self.correction.utterance_id]
        return {text_of(cue) for cue in (*before, *self.correction.cues)}

    def correction_keys(self) -> set[str]:
        """Return by what a place has the correction: its number, or the text of one of its cues that is new."""
        if self.correction is None:
            return set()
        new = set(map(text_of, self.correction.cues)) - {text_of(cue) for cue, _ in self.cues}
        return {str(self.correction.seq), *new}

    def _cues_of(self, final: Final) -> list[Cue]:
        return [cue for cue, _ in self.cues if cue.utterance_id == final.utterance_id]

    def _newest_text(self, final: Final) -> str:
        correction = self.correction
        return correction.text if correction and correction.utterance_id == final.utterance_id else final.text

    def _receive(self, event: ServerEvent) -> None:
        now_s = time()
        match event:
            case Ready(session_id=session_id):
                self.session_id = session_id
                self.is_ready.set()
            case CueEvent(cue=cue) if cue.state is CueState.FINAL and cue.lines:
                self.cues.append((cue, now_s))
            case Final(text=text) if text:
                self.finals.append((event, now_s))
                self._has_final.set()
            case Correction():
                self.correction = event
            case SinksStatus(sinks=sinks):
                self.statuses.update((sink.name, sink) for sink in sinks)
            case _:
                pass
        if isinstance(event, Ready | Correction | Finished) or (isinstance(event, Final) and event.text):
            self._events.append(Caption(str(event.seq), now_s))


def text_of(cue: Cue) -> str:
    """Return the words of a cue, in one line."""
    return spaced(" ".join(cue.lines))


def fetched(url: str) -> str | None:
    """Return what is at an address of the gateway; None: nothing yet."""
    try:
        with urllib.request.urlopen(url, timeout=_REQUEST_S) as response:  # noqa: S310  # http on loopback
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise


def _put_text(url: str, text: str) -> None:
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"}, method="PUT")  # noqa: S310
    with urllib.request.urlopen(request, timeout=_REQUEST_S):  # noqa: S310  # http on loopback
        pass
