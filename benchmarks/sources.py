"""Cue times of live streams that are cut in the middle, compared with those of the same recording.

Four streams of one recording are on the air at once, by RTSP, RTMP, SRT and HLS, served by the command `ffmpeg`. Later
each is cut for a while; a real live stream has then gone on, and so have these. Each is captioned as
`livecue relay` does it. Words are matched with those of the recording itself. The time at which a stream was joined is
not known exactly, so the median difference before the cut counts as zero.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import anyio
import numpy as np
from anyio import to_thread

from benchmarks.percentile import percentile
from benchmarks.processes import GatewayProcess
from benchmarks.report import machine, print_table
from clients.connection import connect
from clients.paced_media import MEDIA_FORMAT, MediaFile, paced
from clients.reconnect import BackOff
from clients.sources.address_policy import AddressPolicy
from clients.sources.source import SourceOptions, open_source
from clients.sources.source_url import parse_source_url
from clients.stream import Lost, stream
from gateway.wire import SAMPLE_RATE_HZ, CueEvent, CueState, Final, Flush, Gap, LostAudio, ServerEvent, Start
from tools.stream_servers import FFMPEG_MISSING, HlsStream, RtmpStream, RtspStream, SrtStream, has_srt, playing

__all__ = ["Shift", "Word", "matched"]

_KINDS: dict[str, type[RtspStream] | type[RtmpStream] | type[SrtStream] | type[HlsStream]] = {
    "RTSP": RtspStream,
    "RTMP": RtmpStream,
    "SRT": SrtStream,
    "HLS": HlsStream,
}

_PATIENCE = ("--set", "scheduler.decode_timeout_s=600", "--set", "session.lag_limit_s=600")
"""A busy machine may caption late: times are of the audio."""

_SAME_S = 0.05
"""A cue begins with the word that begins at its time."""

_CLIP_S = 2
"""Length of the pieces of audio that are found again in the recording."""

_JOINED_S = 10
"""A stream is joined within this time, so its audio is found so near to its place in the recording."""

_SIMILAR = 0.8
"""Correlation of a piece with itself after a codec; other speech has less than half of it."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a final, in seconds."""

    text: str
    start_s: float


@dataclass(slots=True)
class _Received:
    """What one stream became."""

    words: list[Word] = field(default_factory=list)
    cue_starts_s: list[float] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    pcm: bytearray = field(default_factory=bytearray)

    def event(self, event: ServerEvent) -> None:
        match event:
            case Final(words=words):
                self.words += [Word(_plain(word.text), word.start_sample / SAMPLE_RATE_HZ) for word in words]
            case CueEvent(cue=cue) if cue.state is CueState.FINAL and cue.lines:
                self.cue_starts_s.append(cue.start_sample / SAMPLE_RATE_HZ)
            case Gap():
                self.gaps.append(event)
            case _:
                pass


@dataclass(frozen=True, slots=True)
class Shift:
    """Differences in seconds between times after a cut and before it.

    Attributes:
        values: of each word or piece of audio, less the median before.
    """

    values: Sequence[float]

    @classmethod
    def of(cls, differences: Sequence[tuple[float, float]], cut_s: float) -> "Shift":
        """Return the shift of pairs of a time and the difference there, at a cut."""
        before = median(difference for time_s, difference in differences if time_s < cut_s)
        return cls([difference - before for time_s, difference in differences if time_s >= cut_s])

    def row(self) -> tuple[str, str, str]:
        """Return the number of values, their median, and 95 % of their sizes, in milliseconds."""
        sizes = [abs(value) for value in self.values]
        most = percentile(sizes, 95)
        return str(len(sizes)), f"{median(self.values) * 1e3:+.0f}", "" if most is None else f"{most * 1e3:.0f}"


def matched(words: Sequence[Word], reference: Sequence[Word]) -> Iterator[tuple[Word, Word]]:
    """Yield the words that both texts have, in pairs."""
    texts, reference_texts = [word.text for word in words], [word.text for word in reference]
    for block in SequenceMatcher(None, texts, reference_texts, autojunk=False).get_matching_blocks():
        yield from zip(words[block.a :][: block.size], reference[block.b :][: block.size], strict=True)


def audio_differences(pcm: bytes, recording: bytes) -> Iterator[tuple[float, float]]:
    """Yield, for each second of a stream with speech, its time and by how much later it is than in the recording."""
    samples, reference = (np.frombuffer(data, np.int16).astype(np.float64) for data in (pcm, recording))
    size = 1 << ((2 * _JOINED_S + _CLIP_S) * SAMPLE_RATE_HZ).bit_length()
    for second in range(len(samples) // SAMPLE_RATE_HZ - _CLIP_S):
        clip = samples[second * SAMPLE_RATE_HZ :][: _CLIP_S * SAMPLE_RATE_HZ]
        begin = max(0, second - _JOINED_S) * SAMPLE_RATE_HZ
        searched = reference[begin : (second + _JOINED_S + _CLIP_S) * SAMPLE_RATE_HZ]
        correlation = np.fft.irfft(np.conj(np.fft.rfft(clip, size)) * np.fft.rfft(searched, size), size)
        place = int(np.argmax(correlation[: max(1, len(searched) - len(clip))]))
        norm = np.linalg.norm(clip) * np.linalg.norm(searched[place : place + len(clip)])
        if norm and correlation[place] / norm > _SIMILAR:
            yield float(second), second - (begin + place) / SAMPLE_RATE_HZ


async def _reference(url: str, recording: Path) -> _Received:
    received = _Received()
    with MediaFile(str(recording)) as media:
        for frame in media.frames():
            received.pcm += frame
    with MediaFile(str(recording)) as media:
        start = Start(MEDIA_FORMAT, words=True, partials=False, file=True)
        await stream(partial(connect, url), start, paced(media.frames(), None), received.event)
    return received


async def _relayed(url: str, kind: str, recording: Path, cut_at_s: float, cut_s: float) -> _Received:
    received = _Received()
    with TemporaryDirectory() as folder, playing(_KINDS[kind], recording, Path(folder)) as live:
        live.serve()
        policy, back_off = AddressPolicy(("127.0.0.1",)), BackOff(give_up_s=cut_s + 10)
        options = SourceOptions(live.url, policy, wait_s=30, back_off=back_off)
        async with open_source(parse_source_url(live.url), options) as source, anyio.create_task_group() as tasks:

            async def audio() -> AsyncIterator[bytes | Flush | LostAudio]:
                async for item in source.audio():
                    received.pcm += item if isinstance(item, bytes) else b""
                    yield item

            async def cut() -> None:
                await anyio.sleep(cut_at_s)
                await to_thread.run_sync(live.cut)
                await anyio.sleep(cut_s)
                live.serve()

            tasks.start_soon(cut)
            start = Start(MEDIA_FORMAT, words=True, partials=False, resumable=True)
            await stream(partial(connect, url), start, audio(), received.event, Lost(is_live=True))
    return received


async def _measure(url: str, kinds: Sequence[str], recording: Path, cut_at_s: float, cut_s: float) -> None:
    reference = await _reference(url, recording)
    streams: dict[str, _Received] = {}

    async def relay(kind: str) -> None:
        streams[kind] = await _relayed(url, kind, recording, cut_at_s, cut_s)

    async with anyio.create_task_group() as tasks:
        for kind in kinds:
            tasks.start_soon(relay, kind)
    rows = [_row(kind, streams[kind], reference, cut_at_s) for kind in kinds]
    columns = ("", "silence s", "words", "shift ms", "95 % ms", "cues", "shift ms", "95 % ms", "audio s", "shift ms")
    print_table("times after the cut, less those before it", columns, rows)
    print(machine())


def _row(kind: str, received: _Received, reference: _Received, cut_at_s: float) -> Sequence[object]:
    cut_s = (
        max(received.gaps, key=lambda gap: gap.end_sample - gap.start_sample).end_sample / SAMPLE_RATE_HZ
        if received.gaps
        else cut_at_s
    )
    pairs = list(matched(received.words, reference.words))
    differences = [(word.start_s, word.start_s - known.start_s) for word, known in pairs]
    starts = np.array(received.cue_starts_s)
    cues = [pair for pair in differences if np.min(np.abs(starts - pair[0])) < _SAME_S]
    audio = list(audio_differences(bytes(received.pcm), bytes(reference.pcm)))
    silence_s = sum(gap.end_sample - gap.start_sample for gap in received.gaps) / SAMPLE_RATE_HZ
    words, cue_starts, sound = (Shift.of(each, cut_s) for each in (differences, cues, audio))
    return (kind, f"{silence_s:.1f}", *words.row(), *cue_starts.row(), *sound.row()[:2])


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9']", "", text.lower())


def main() -> int:
    """Run it and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sources", description=__doc__)
    parser.add_argument("recording", type=Path, help="speech without long pauses")
    parser.add_argument("--model", default="tiny.en", help="a name, or a folder of weights (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=120, help="of the recording (default: %(default)s)")
    parser.add_argument("--cut-at", type=float, default=40, metavar="S", help="(default: %(default)s)")
    parser.add_argument("--cut", type=float, default=20, metavar="S", help="length (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=tuple(_KINDS), default=tuple(_KINDS))
    arguments = parser.parse_args()
    if FFMPEG_MISSING:
        print(FFMPEG_MISSING, file=sys.stderr)
        return 1
    kinds = [kind for kind in arguments.only if kind != "SRT" or has_srt()]
    with (
        TemporaryDirectory() as folder,
        GatewayProcess("--engine", "whisper", "--model", arguments.model, *_PATIENCE) as gateway,
    ):
        excerpt = Path(folder) / "excerpt.wav"
        command = [
            "ffmpeg",
            "-loglevel",
            "error",
            "-i",
            str(arguments.recording),
            "-t",
            str(arguments.seconds),
            str(excerpt),
        ]
        subprocess.run(command, check=True)  # noqa: S603 - our own command
        anyio.run(_measure, gateway.url, kinds, excerpt, arguments.cut_at, arguments.cut)
    return 0


if __name__ == "__main__":
    sys.exit(main())
