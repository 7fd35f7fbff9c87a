"""Opens a stream with FFmpeg, so that it contacts nothing but what was checked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from math import ceil
from urllib.parse import quote

from av.container import InputContainer
from av.error import FFmpegError

from clients.sources.address_policy import AddressPolicy
from clients.sources.connecting import TIMEOUT_S, Resolve, checked_addresses, connected, resolved
from clients.sources.errors import SourceError
from clients.sources.http_input import HttpInput
from clients.sources.rtsp_guard import RtspGuard
from clients.sources.source_url import Protocol, SourceUrl
from clients.sources.srt_command import srt_stream
from clients.sources.tunnel import Tunnel
from vad.media_file import DEMUXERS, audio_decoders, open_input

__all__ = ["StreamInput", "opened"]

_OPEN_S = 20.0
"""A stream must be found within this time."""

_READ_S = 30.0
"""Without audio for so long the stream counts as lost: three segments of HLS, which are 10 s at most in practice."""

_ANALYSIS_US = 2_000_000
"""FFmpeg waits so long for tracks that a header announces; its own 5 s, or 90 s of RTMP, delay the first captions."""

_LIVE_SEGMENTS = 3
"""From the end of an HLS playlist; later ones may be incomplete (RFC 8216 §6.3.3)."""

_CAUGHT_UP_S = 10.0
"""Of HLS, received again after an interruption: the segment that it has cut."""


@dataclass(frozen=True, slots=True)
class StreamInput:
    """An open stream.

    Attributes:
        container: to read from.
        is_live: whether its audio comes as it happens.
        is_whole: returns whether its end, once it is reached, is known to be the end.
        failure: returns why its connection was closed, if that is known better than by FFmpeg.
    """

    container: InputContainer
    is_live: bool
    is_whole: Callable[[], bool]
    failure: Callable[[], SourceError | None]


@contextmanager
def opened(
    url: SourceUrl, policy: AddressPolicy, missed_s: float | None = None, resolve: Resolve = resolved
) -> Iterator[StreamInput]:
    """Open a stream while the block lasts.

    Args:
        url: of the stream.
        policy: hosts and addresses that may be contacted.
        missed_s: time since the last audio of an earlier connection, which HLS may still have; None: there was none.
        resolve: returns the addresses of a host.

    Raises:
        SourceRefused: the stream, or an address that it leads to, is not allowed.
        SourceError, FFmpegError, ValueError: it cannot be opened.
    """
    if url.protocol.is_http:
        with _http(url, HttpInput(url, policy, resolve), missed_s) as stream:
            yield stream
    elif url.protocol is Protocol.SRT:
        address = url.host if url.is_listener else checked_addresses(url.host, url.port, policy, resolve)[0]
        with (
            srt_stream(f"srt://{_bracketed(address)}:{url.port}{url.path}", TIMEOUT_S) as file,
            open_input(file, format="mpegts", options=_options("mpegts")) as container,
        ):
            yield StreamInput(container, True, lambda: False, lambda: None)
    else:
        with _tunnelled(url, policy, resolve) as stream:
            yield stream


@contextmanager
def _http(url: SourceUrl, source: HttpInput, missed_s: float | None) -> Iterator[StreamInput]:
    segments = _LIVE_SEGMENTS if missed_s is None else _LIVE_SEGMENTS + ceil(missed_s + _CAUGHT_UP_S)
    options = _options(f"{DEMUXERS},hls") | {
        "http_persistent": "0",
        "http_multiple": "0",
        "live_start_index": str(-segments),  # clamped to the first
    }
    address = f"{url.protocol}://{url.netloc}{url.path or '/'}"
    with open_input(address, options=options, io_open=source.open, timeout=(_OPEN_S, _READ_S)) as container:
        is_live = not source.is_whole
        yield StreamInput(container, is_live, lambda: source.is_whole, lambda: source.failure)


@contextmanager
def _tunnelled(url: SourceUrl, policy: AddressPolicy, resolve: Resolve) -> Iterator[StreamInput]:
    connect = partial(connected, url.host, url.port, policy, uses_tls=url.protocol.uses_tls, resolve=resolve)
    is_rtsp = url.protocol in (Protocol.RTSP, Protocol.RTSPS)
    with Tunnel(connect, _rtsp_checks if is_rtsp else _no_checks) as tunnel:
        user = "" if url.user is None else f"{quote(url.user, safe='')}:{quote(url.password or '', safe='')}@"
        address = f"{'rtsp' if is_rtsp else 'rtmp'}://{user}127.0.0.1:{tunnel.port}{url.path}"
        options = _rtsp_options() if is_rtsp else _rtmp_options(url)
        try:
            with open_input(address, options=options, timeout=(_OPEN_S, _READ_S)) as container:
                ends = bool(container.duration and container.duration > 0)
                yield StreamInput(container, True, lambda: ends, lambda: tunnel.failure)
        except (FFmpegError, ValueError) as error:
            raise tunnel.failure or error from error


def _rtsp_options() -> dict[str, str]:
    # over TCP, so that the server names no other address for the audio; its pictures are not requested
    return _options("rtsp,sdp,rtp", "tcp") | {"rtsp_transport": "tcp", "allowed_media_types": "audio"}


def _rtmp_options(url: SourceUrl) -> dict[str, str]:
    application = "/".join(url.path.strip("/").split("/")[:-1][:2])
    return _options("live_flv,flv", "rtmp,tcp") | {
        "rtmp_live": "live",
        "rtmp_tcurl": f"{url.protocol}://{url.netloc}/{application}",  # the host as the server knows it
    }


def _options(formats: str, protocols: str = "") -> dict[str, str]:
    return {
        "format_whitelist": formats,
        "protocol_whitelist": protocols,
        "codec_whitelist": audio_decoders(),
        "analyzeduration": str(_ANALYSIS_US),
    }


def _rtsp_checks() -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
    guard = RtspGuard()
    return guard.sent, guard.received


def _no_checks() -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
    return _any, _any


def _any(_: bytes) -> None:
    """Allow all bytes."""


def _bracketed(address: str) -> str:
    return f"[{address}]" if address and ip_address(address).version == 6 else address
