"""Sound out of files that nobody vouches for: the one place where a container is opened and decoded.

A process that decodes an upload is started for each of them, so this imports PyAV and nothing else that is slow.
What PyAV would import itself when it first meets a stream is imported here: that process opens no file by then.
"""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import BinaryIO

import av
import av.subtitles.codeccontext
import av.subtitles.stream
import av.video.codeccontext
import av.video.stream
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec import Codec, codecs_available
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.stream import Disposition, Stream

from vad.downmix import PcmDownmix
from vad.errors import LivecueError
from vad.track_clock import TrackClock

__all__ = ["MEDIA_BYTES_PER_SAMPLE", "MEDIA_RATE_HZ", "Media", "MediaError", "MediaTooLong", "NoSuchTrack"]

MEDIA_RATE_HZ = 16_000
"""What media are decoded to. `vad.audio.SAMPLE_RATE_HZ` is the same, but brings numpy."""

MEDIA_BYTES_PER_SAMPLE = 2

_DEMUXERS = (
    "aac,ac3,ac4,aiff,amr,ape,asf,ast,au,avi,caf,dsf,dts,dtshd,dv,eac3,flac,flv,gxf,iff,ircam,loas,matroska,mlp,mmf,mov,"
    "mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nsv,nut,nuv,ogg,oma,osq,paf,qcp,rm,rso,shn,sox,tak,truehd,tta,voc,w64,wav,"
    "wsd,wtv,wv,xwma"
)
"""Containers that hold audio themselves. Playlists and scripts (`hls`, `concat`) open other files, and raw streams
(`s16le`, `g722`) are of any bytes: they stay out."""

_TEXT_ERRORS = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
"""Titles need not be UTF-8. PyAV 19 takes them as they are, and has no such option."""

_LIVE_PROBE_BYTES, _LIVE_KIND_BYTES = 8_192, 65_536
"""What is read of a live stream to know what is in it, and until it is no kind at all. FFmpeg's own 5 MB and 1 MB are
minutes of a voice."""

_MIN_RATE_HZ, _MAX_RATE_HZ = 4_000, 768_000
"""Nobody records speech below; a second at 1 Hz would become 16 000 samples from one."""


class MediaError(LivecueError):
    """The file holds no sound that can be decoded."""

    code = "invalid_media"


class MediaTooLong(MediaError):
    """The file holds more sound than is taken."""

    code = "media_too_long"


class NoSuchTrack(MediaError):
    """The file has fewer audio tracks."""

    code = "no_such_track"


class Media:
    """One audio track of a file, whose kind is known by its content and not by its name.

    Nothing but the file itself is ever opened, and no decoder runs but those of audio. Time is the container's: silence
    takes the place of what begins late, is missing or is broken.

    Args:
        file: open for reading; the caller closes it. It need not be seekable where its kind does not ask for it.
        name: what messages call it.
        max_duration_s: most sound that is taken; None: any.
        track: which audio track, counted from 1; None: the one that the file says is played by default, else the first.
        is_live: whether it is still being recorded, so that it is opened after its first bytes.

    Raises:
        MediaError: it cannot be opened, or has no sound.
        NoSuchTrack: it has fewer audio tracks than `track`.
        MediaTooLong: it says itself that it lasts longer than `max_duration_s`.
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
        """Pieces that could not be decoded and were left out."""
        self._name = name
        self._max_duration_s = max_duration_s
        self._begin_s: float | None = None
        """Where the file begins on the clock of its stamps."""
        try:
            # A file object has no protocol, and the empty list keeps a container from naming another file by one.
            options = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "", "codec_whitelist": _sound_decoders()}
            if is_live:
                options |= {"probesize": str(_LIVE_PROBE_BYTES), "formatprobesize": str(_LIVE_KIND_BYTES)}
            self._container = _opened(file, options)
        except (FFmpegError, ValueError) as error:
            raise MediaError(f"{name}: not a sound or video file that can be read ({_reason(error)})") from error
        try:
            self._stream = _track(self._container.streams.audio, name, track)
            self._refuse_beyond_cap(self.duration_s or 0.0, "says that it lasts")
        except MediaError:
            self._container.close()
            raise

    @property
    def duration_s(self) -> float | None:
        """Length in seconds as the container claims it; None where it does not say."""
        duration = self._container.duration
        return duration / av.time_base if duration and duration > 0 else None

    def __enter__(self) -> "Media":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._container.close()

    def blocks(self, block_s: float) -> Iterator[bytes]:
        """Yield the sound as s16le mono at `MEDIA_RATE_HZ`, in equal blocks; the last may be shorter.

        What is broken in between is left out and counted in `broken_packets`.

        Args:
            block_s: length of a block in seconds.

        Raises:
            MediaError: all of it is broken, or it cannot be read on.
            MediaTooLong: the sound goes on beyond `max_duration_s`; what lies before it has been yielded.
        """
        block_bytes = round(MEDIA_RATE_HZ * block_s) * MEDIA_BYTES_PER_SAMPLE
        pending = bytearray()
        yielded_bytes = 0
        for piece in self.pieces():
            pending += piece
            while len(pending) >= block_bytes:
                yielded_bytes += block_bytes
                self._refuse_beyond_cap(yielded_bytes / MEDIA_BYTES_PER_SAMPLE / MEDIA_RATE_HZ, "lasts at least")
                yield bytes(pending[:block_bytes])
                del pending[:block_bytes]
        if pending:
            yield bytes(pending)

    def pieces(self) -> Iterator[bytes]:
        """Yield the sound as s16le mono at `MEDIA_RATE_HZ`, each piece as soon as it is decoded, however long it goes.

        Raises:
            MediaError: as of `blocks`.
        """
        converter: _Converter | None = None
        described = None
        clock: TrackClock | None = None
        for frame in self._frames():
            clock = clock or TrackClock(self._begin_s, self.duration_s)
            # Not every stream keeps its rate and layout: AAC may say the true ones only after its first frames.
            description = frame.format.name, frame.layout.name, frame.sample_rate
            silence_s = clock.silence_before(frame.time, frame.samples / frame.sample_rate)
            if silence_s or described != description:
                yield from self._converted(converter, None)
                yield from _silence(silence_s)
                converter, described = self._converter(frame), description
            yield from self._converted(converter, frame)
        if described is None and self.broken_packets:
            raise MediaError(f"{self._name}: its sound is broken, all {self.broken_packets} packets of it")
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
                    self._note_begin(packet)
        except InvalidDataError:
            self.broken_packets += 1
        except FFmpegError as error:
            raise MediaError(f"{self._name}: it cannot be read on ({_reason(error)})") from error

    def _note_begin(self, packet: "Packet[Stream]") -> None:
        """Take in when a picture is presented: where one comes before the first audio, the file begins with it.

        Without decoders of video, FFmpeg does not find it out in every container.
        """
        is_moving = packet.stream.type == "video" and not packet.stream.disposition & Disposition.attached_pic
        if is_moving and packet.pts is not None and packet.time_base is not None and not packet.is_discard:
            stamp_s = float(packet.pts * packet.time_base)
            self._begin_s = stamp_s if self._begin_s is None else min(self._begin_s, stamp_s)

    def _converter(self, frame: AudioFrame) -> "_Converter":
        if not _MIN_RATE_HZ <= frame.sample_rate <= _MAX_RATE_HZ:
            allowed = f"allowed are {_MIN_RATE_HZ} to {_MAX_RATE_HZ}"
            raise MediaError(f"{self._name}: its sample rate is {frame.sample_rate} Hz; {allowed}")
        return _Converter(is_mono=frame.layout.nb_channels == 1)

    def _converted(self, converter: "_Converter | None", frame: AudioFrame | None) -> Iterator[bytes]:
        if converter is None:
            return
        try:
            yield from converter.convert(frame)
        except (FFmpegError, ValueError) as error:
            raise MediaError(f"{self._name}: its sound cannot be resampled ({_reason(error)})") from error

    def _refuse_beyond_cap(self, duration_s: float, claim: str) -> None:
        if self._max_duration_s is not None and duration_s > self._max_duration_s:
            allowed = f"allowed are {self._max_duration_s:g} s"
            raise MediaTooLong(f"{self._name}: it {claim} {duration_s:.1f} s; {allowed}")


class _Converter:
    """Turns frames of one format into s16le mono at `MEDIA_RATE_HZ`."""

    def __init__(self, *, is_mono: bool) -> None:
        layout = "mono" if is_mono else "stereo"
        self._resampler = AudioResampler(format="s16", layout=layout, rate=MEDIA_RATE_HZ)
        self._downmix = None if is_mono else PcmDownmix(MEDIA_RATE_HZ)

    def convert(self, frame: AudioFrame | None) -> Iterator[bytes]:
        """Yield what the next frame completes, or at the end the rest."""
        channels = 1 if self._downmix is None else 2
        for resampled in self._resampler.resample(frame):
            # Not `to_ndarray`, which imports numpy; the plane is padded beyond its samples.
            data = bytes(resampled.planes[0])[: resampled.samples * channels * MEDIA_BYTES_PER_SAMPLE]
            yield data if self._downmix is None else self._downmix.push(data)


def _opened(file: BinaryIO, options: dict[str, str]) -> InputContainer:
    open_container: Callable[..., InputContainer] = av.open  # what it takes depends on its version
    return open_container(file, "r", options=options, **_TEXT_ERRORS)


def _track(streams: tuple[AudioStream, ...], name: str, track: int | None) -> AudioStream:
    if not streams:
        raise MediaError(f"{name}: it has no sound track")
    if track is None:
        return next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])
    if not 1 <= track <= len(streams):
        allowed = f"allowed are 1 to {len(streams)}" if len(streams) > 1 else "allowed is 1"
        raise NoSuchTrack(f"{name}: track {track}: {allowed}")
    return streams[track - 1]


def _silence(duration_s: float) -> Iterator[bytes]:
    left = round(duration_s * MEDIA_RATE_HZ)
    while left > 0:
        samples = min(left, MEDIA_RATE_HZ)
        yield bytes(samples * MEDIA_BYTES_PER_SAMPLE)
        left -= samples


def _reason(error: FFmpegError | ValueError) -> str:
    return (error.strerror if isinstance(error, FFmpegError) else None) or str(error)


def _sound_decoders() -> str:
    # Video is never decoded, not even a picture to see how large it is.
    return ",".join(name for name in codecs_available if _is_sound_decoder(name))


def _is_sound_decoder(name: str) -> bool:
    try:
        return Codec(name, "r").type == "audio"
    except ValueError:  # it only encodes
        return False
