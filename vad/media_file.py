"""Decodes the audio of untrusted files: the one place where a container is opened and decoded.

A process is started for each upload that is decoded, so this imports PyAV and nothing else that is slow to import.
Modules that PyAV imports when it first opens a stream are imported here, because that process can open no file later.
"""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import IO, BinaryIO

import av
import av.subtitles.codeccontext
import av.subtitles.stream
import av.video.codeccontext
import av.video.stream
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec import Codec, codecs_available
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.stream import Disposition, Stream

from vad.errors import LivecueError
from vad.pcm_converter import MEDIA_BYTES_PER_SAMPLE, MEDIA_RATE_HZ, PcmConverter
from vad.track_clock import TrackClock

__all__ = [
    "DEMUXERS",
    "MEDIA_BYTES_PER_SAMPLE",
    "MEDIA_RATE_HZ",
    "Media",
    "MediaError",
    "MediaTooLong",
    "NoSuchTrack",
    "audio_decoders",
    "audio_track",
    "open_input",
    "reason_of",
]

DEMUXERS = (
    "aac,ac3,ac4,aiff,amr,ape,asf,ast,au,avi,caf,dsf,dts,dtshd,dv,eac3,flac,flv,gxf,iff,ircam,loas,matroska,mlp,mmf,mov,"
    "mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nsv,nut,nuv,ogg,oma,osq,paf,qcp,rm,rso,shn,sox,tak,truehd,tta,voc,w64,wav,"
    "wsd,wtv,wv,xwma"
)
"""Containers that hold audio themselves. Playlists and scripts (`hls`, `concat`) open other files, and raw streams
(`s16le`, `g722`) match any bytes, so both are excluded."""

_TEXT_ERRORS = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
"""Tags need not be UTF-8. PyAV 19 accepts them as they are and has no such option."""

_LIVE_PROBE_BYTES, _LIVE_FORMAT_PROBE_BYTES = 8_192, 65_536
"""Bytes of a live stream read to find its streams, and to recognise its format at all. FFmpeg's own 5 MB and 1 MB are
minutes of speech."""

_MIN_RATE_HZ, _MAX_RATE_HZ = 4_000, 768_000
"""Speech is not recorded at lower rates, and one second at 1 Hz would turn one sample into 16 000."""


class MediaError(LivecueError):
    """The file contains no audio that can be decoded."""

    code = "invalid_media"


class MediaTooLong(MediaError):
    """The file contains more audio than is allowed."""

    code = "media_too_long"


class NoSuchTrack(MediaError):
    """The file has fewer audio tracks than requested."""

    code = "no_such_track"


class Media:
    """One audio track of a file, whose format is detected from its content, not from its name.

    No file but the given one is ever opened, and only audio decoders run. Times are the container's: silence replaces
    audio that begins late, is missing or is corrupt.

    Args:
        file: open for reading; the caller closes it. It must be seekable only if its format requires it.
        name: of the file, for messages.
        max_duration_s: maximum length of the audio; None: unlimited.
        track: number of the audio track, from 1; None: the file's default track, or else the first.
        is_live: whether the file is still being recorded, so that it is opened after its first bytes.

    Raises:
        MediaError: it cannot be opened, or has no audio.
        NoSuchTrack: it has fewer audio tracks than `track`.
        MediaTooLong: its header declares a length above `max_duration_s`.
    """

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        max_duration_s: float | None = None,
        *,
        track: int | None = None,
        is_live: bool = False,
    ) -> None:
        self.broken_packets = 0
        """Packets that could not be decoded and were skipped."""
        self._name = name
        self._max_duration_s = max_duration_s
        self._begin_s: float | None = None
        """Start time of the file by its timestamps, in seconds."""
        try:
            # A file object has no protocol, and the empty list keeps a container from referring to another file by one.
            options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "", "codec_whitelist": audio_decoders()}
            if is_live:
                options |= {"probesize": str(_LIVE_PROBE_BYTES), "formatprobesize": str(_LIVE_FORMAT_PROBE_BYTES)}
            self._container = open_input(file, options=options)
        except (FFmpegError, ValueError) as error:
            raise MediaError(f"{name}: not a readable audio or video file ({reason_of(error)})") from error
        try:
            self._stream = audio_track(self._container.streams.audio, name, track)
            self._check_duration(self.duration_s or 0.0, "declared length")
        except MediaError:
            self._container.close()
            raise

    @property
    def duration_s(self) -> float | None:
        """Length in seconds as declared by the container; None if it declares none."""
        duration = self._container.duration
        return duration / av.time_base if duration and duration > 0 else None

    def __enter__(self) -> "Media":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._container.close()

    def blocks(self, block_s: float) -> Iterator[bytes]:
        """Yield the audio as s16le mono at `MEDIA_RATE_HZ`, in equal blocks; the last may be shorter.

        Corrupt packets are skipped and counted in `broken_packets`.

        Args:
            block_s: length of a block in seconds.

        Raises:
            MediaError: all packets are corrupt, or the file cannot be read further.
            MediaTooLong: the audio exceeds `max_duration_s`; the audio before that point has been yielded.
        """
        block_bytes = round(MEDIA_RATE_HZ * block_s) * MEDIA_BYTES_PER_SAMPLE
        pending = bytearray()
        yielded_bytes = 0
        for piece in self.pieces():
            pending += piece
            while len(pending) >= block_bytes:
                yielded_bytes += block_bytes
                self._check_duration(yielded_bytes / MEDIA_BYTES_PER_SAMPLE / MEDIA_RATE_HZ, "decoded length")
                yield bytes(pending[:block_bytes])
                del pending[:block_bytes]
        if pending:
            yield bytes(pending)

    def pieces(self) -> Iterator[bytes]:
        """Yield the audio as s16le mono at `MEDIA_RATE_HZ`, each piece as soon as decoded, without a length limit.

        Raises:
            MediaError: see `blocks`.
        """
        converter: PcmConverter | None = None
        current_format = None
        clock: TrackClock | None = None
        for frame in self._frames():
            clock = clock or TrackClock(self._begin_s, self.duration_s)
            # A stream may change its rate and layout: AAC may declare the true ones only after its first frames.
            frame_format = frame.format.name, frame.layout.name, frame.sample_rate
            silence_s = clock.silence_before(frame.time, frame.samples / frame.sample_rate)
            if silence_s or current_format != frame_format:
                yield from self._converted(converter, None)
                yield from _silence(silence_s)
                converter, current_format = self._converter(frame), frame_format
            yield from self._converted(converter, frame)
        if current_format is None and self.broken_packets:
            raise MediaError(f"{self._name}: all {self.broken_packets} audio packets are corrupt")
        yield from self._converted(converter, None)

    def _frames(self) -> Iterator[AudioFrame]:
        for packet in self._packets():
            try:
                for frame in packet.decode():
                    assert isinstance(frame, AudioFrame)
                    yield frame
            except MemoryError:
                raise
            except FFmpegError:
                self.broken_packets += 1

    def _packets(self) -> "Iterator[Packet[Stream]]":
        begin = self._container.start_time
        self._begin_s = None if begin is None else begin / av.time_base
        try:
            for packet in self._container.demux():
                if packet.stream is self._stream:
                    yield packet
                else:
                    self._update_begin(packet)
        except InvalidDataError:
            self.broken_packets += 1
        except FFmpegError as error:
            raise MediaError(f"{self._name}: read error ({reason_of(error)})") from error

    def _update_begin(self, packet: "Packet[Stream]") -> None:
        """Take a video packet's timestamp into account: the file begins with it where it precedes the first audio.

        Without video decoders, FFmpeg does not report this for every container.
        """
        is_moving = packet.stream.type == "video" and not packet.stream.disposition & Disposition.attached_pic
        if is_moving and packet.pts is not None and packet.time_base is not None and not packet.is_discard:
            stamp_s = float(packet.pts * packet.time_base)
            self._begin_s = stamp_s if self._begin_s is None else min(self._begin_s, stamp_s)

    def _converter(self, frame: AudioFrame) -> PcmConverter:
        if not _MIN_RATE_HZ <= frame.sample_rate <= _MAX_RATE_HZ:
            expected = f"expected {_MIN_RATE_HZ}–{_MAX_RATE_HZ} Hz"
            raise MediaError(f"{self._name}: sample rate {frame.sample_rate} Hz out of range: {expected}")
        return PcmConverter(is_mono=frame.layout.nb_channels == 1)

    def _converted(self, converter: PcmConverter | None, frame: AudioFrame | None) -> Iterator[bytes]:
        if converter is None:
            return
        try:
            yield from converter.convert(frame)
        except (FFmpegError, ValueError) as error:
            raise MediaError(f"{self._name}: the audio cannot be resampled ({reason_of(error)})") from error

    def _check_duration(self, duration_s: float, what: str) -> None:
        if self._max_duration_s is not None and duration_s > self._max_duration_s:
            limit = f"exceeds the limit of {self._max_duration_s:g} s"
            raise MediaTooLong(f"{self._name}: {what} of {duration_s:.1f} s {limit}")


def open_input(file: IO[bytes] | str, **parameters: object) -> InputContainer:
    """Open a file, or an address, for reading, whatever its tags are.

    Args:
        file: as of `av.open`.
        parameters: of `av.open`.

    Raises:
        FFmpegError, ValueError: it cannot be opened.
    """
    open_container: Callable[..., InputContainer] = av.open  # its parameters depend on its version
    return open_container(file, "r", **parameters, **_TEXT_ERRORS)


def audio_track(streams: tuple[AudioStream, ...], name: str, track: int | None) -> AudioStream:
    """Return the audio track of a number, from 1; None: the default one, or else the first.

    Raises:
        MediaError: there is no audio.
        NoSuchTrack: there are fewer tracks.
    """
    if not streams:
        raise MediaError(f"{name}: the file has no audio track")
    if track is None:
        return next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])
    if not 1 <= track <= len(streams):
        expected = f"1–{len(streams)}" if len(streams) > 1 else "1"
        raise NoSuchTrack(f"{name}: track {track} out of range: expected {expected}")
    return streams[track - 1]


def _silence(duration_s: float) -> Iterator[bytes]:
    left = round(duration_s * MEDIA_RATE_HZ)
    while left > 0:
        samples = min(left, MEDIA_RATE_HZ)
        yield bytes(samples * MEDIA_BYTES_PER_SAMPLE)
        left -= samples


def reason_of(error: FFmpegError | ValueError) -> str:
    """Return the message of an error of FFmpeg's without the name of the file."""
    return (error.strerror if isinstance(error, FFmpegError) else None) or str(error)


def audio_decoders() -> str:
    """Return FFmpeg's audio decoders, separated by commas, for its option `codec_whitelist`."""
    # Video is never decoded, not even a frame to learn its size.
    return ",".join(name for name in codecs_available if _is_audio_decoder(name))


def _is_audio_decoder(name: str) -> bool:
    try:
        return Codec(name, "r").type == "audio"
    except ValueError:  # an encoder only
        return False
