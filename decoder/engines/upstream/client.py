"""The HTTP client of one upstream: sends a request once and returns its transcription."""

import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Protocol

import anyio
import httpx2
from anyio import to_thread
from pydantic import SecretStr

from decoder.engines.upstream.audio_encoding import AudioFile, flac, wav
from decoder.engines.upstream.response_parsing import Transcription, read_error, read_response
from decoder.engines.upstream.retry_policy import AttemptFailed, Failure, failure_of, read_timeout_s, retry_after_s
from decoder.settings import ResponseFormat, UpstreamSettings
from decoder.types import ModelError, RequestKind, Task
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["HttpUpstream", "Upstream", "UpstreamRequest"]

logger = logging.getLogger("livecue.upstream")

_CONNECT_S, _POOL_S, _WRITE_S = 3.0, 0.5, 5.0
"""Timeouts: three round trips on a bad line; hardly any, because concurrency is limited by the pool; 30 s of FLAC at
1 Mbit/s."""

_LOOPBACK_KEEPALIVE_S, _REMOTE_KEEPALIVE_S = 4.0, 25.0
"""Shorter than the keep-alive of servers (uvicorn 5 s, proxies 30 s or more), so that the client closes idle
connections first and never sends on a closed one."""

_MAX_RESPONSE_BYTES = 4 << 20
"""A verbose response to 30 s of audio has about 20 kB."""


@dataclass(frozen=True, slots=True, eq=False)
class UpstreamRequest:
    """A request to an upstream.

    Attributes:
        name: the same for every attempt: the `Idempotency-Key`, and the name of the file.
        kind: determines the read timeout.
        samples: float32[n] mono 16 kHz.
        start_sample: where `samples` begins on the session's time line.
        language, prompt, task, temperature: as in `DecodeRequest`.
    """

    name: str
    kind: RequestKind
    samples: Float32
    start_sample: int
    language: str | None = None
    prompt: str = ""
    task: Task = Task.TRANSCRIBE
    temperature: float = 0.0


class Upstream(Protocol):
    """A service that turns audio into text, one request at a time."""

    settings: UpstreamSettings
    name: str

    async def connect(self) -> None:
        """Open a connection ahead of the first request.

        Raises:
            AttemptFailed: the service cannot be reached, or refuses the key.
        """
        ...

    async def post(self, request: UpstreamRequest, *, on_new_connection: bool) -> Transcription:
        """Send a request once and return its transcription.

        Raises:
            AttemptFailed: the upstream returned no transcription.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class HttpUpstream:
    """An upstream over HTTP, with its own pool of connections: one that hangs takes none from another.

    Args:
        settings: of the service.

    Raises:
        ModelError: the URL is invalid, or the settings name no readable API key.
    """

    def __init__(self, settings: UpstreamSettings) -> None:
        self.settings = settings
        url = _url(settings.base_url)
        self.name = url.netloc.decode("ascii")
        self._base_url = settings.base_url.rstrip("/")
        self._is_loopback = _is_loopback(url.host)
        self._key = _read_key(settings)
        if self._key is not None and url.scheme == "http" and not self._is_loopback:
            logger.warning("API key is sent unencrypted upstream=%s: base_url begins with http://", self.name)
        keepalive_s = _LOOPBACK_KEEPALIVE_S if self._is_loopback else _REMOTE_KEEPALIVE_S
        # the pool limits concurrent requests; one more connection is for `connect`
        limits = httpx2.Limits(
            max_connections=settings.concurrency + 1,
            max_keepalive_connections=settings.concurrency + 1,
            keepalive_expiry=keepalive_s,
        )
        # proxies set in the environment are not for loopback
        self._client = httpx2.AsyncClient(limits=limits, trust_env=not self._is_loopback)
        self._fresh_client = httpx2.AsyncClient(
            limits=httpx2.Limits(max_keepalive_connections=0), trust_env=not self._is_loopback
        )
        self._formats = settings.formats
        """In order of preference; only one, once it was answered."""

    async def connect(self) -> None:
        """Request the list of models, to open a connection and verify the key; a service without it is accepted.

        Raises:
            AttemptFailed: the service cannot be reached, or refuses the key.
        """
        request = self._client.build_request(
            "GET", f"{self._base_url}/models", headers=self._headers(), timeout=_timeout(_CONNECT_S)
        )
        async with self._failing_after(_CONNECT_S):
            response = await self._client.send(request, stream=True)
        body = await self._read(response, _CONNECT_S)
        if response.status_code in (401, 402, 403):
            raise self._http_failure(response, body)

    async def post(self, request: UpstreamRequest, *, on_new_connection: bool) -> Transcription:
        """Send a request once; until a format has succeeded, once for each format that is refused.

        Raises:
            AttemptFailed: the upstream returned no transcription.
        """
        audio = await self._file(request.samples)
        for response_format in self._formats:
            try:
                transcription = await self._post(request, audio, response_format, on_new_connection=on_new_connection)
            except AttemptFailed as error:
                # either the format is unsupported or the audio is invalid: another format shows which
                if error.failure is not Failure.INVALID or response_format == self._formats[-1]:
                    raise
            else:
                self._formats = (response_format,)
                return transcription
        raise AssertionError("the last format returns or raises")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()
        await self._fresh_client.aclose()

    async def _file(self, samples: Float32) -> AudioFile:
        return wav(samples) if self._is_loopback else await to_thread.run_sync(flac, samples)

    async def _post(
        self, request: UpstreamRequest, audio: AudioFile, response_format: ResponseFormat, *, on_new_connection: bool
    ) -> Transcription:
        client = self._fresh_client if on_new_connection else self._client
        read_s = read_timeout_s(request.kind, len(request.samples) / SAMPLE_RATE_HZ)
        path = "translations" if request.task is Task.TRANSLATE else "transcriptions"
        headers = {"Idempotency-Key": request.name, "X-Request-Id": request.name, **self._headers()}
        http_request = client.build_request(
            "POST",
            f"{self._base_url}/audio/{path}",
            headers=headers,
            data=_form_fields(request, self.settings.model, response_format),
            files={"file": (f"{request.name}.{audio.suffix}", audio.content, audio.media_type)},
            timeout=_timeout(read_s),
        )
        async with self._failing_after(_POOL_S + _CONNECT_S + _WRITE_S + read_s):
            response = await client.send(http_request, stream=True)
        body = await self._read(response, read_s)
        if response.status_code != httpx2.codes.OK:
            raise self._http_failure(response, body)
        try:
            return read_response(body, response_format)
        except ValueError as error:
            raise AttemptFailed(Failure.GARBAGE, f"{self.name}: {error}") from error

    @asynccontextmanager
    async def _failing_after(self, timeout_s: float, *, is_answering: bool = False) -> AsyncIterator[None]:
        """Limit the total time of a block, and raise `AttemptFailed` for a timeout and for the HTTP client's errors."""
        try:
            with anyio.fail_after(timeout_s):
                yield
        except (TimeoutError, httpx2.ReadTimeout) as error:
            raise AttemptFailed(Failure.TIMED_OUT, f"{self.name}: no response in time") from error
        except (httpx2.ConnectError, httpx2.TimeoutException, httpx2.ProxyError, httpx2.UnsupportedProtocol) as error:
            raise AttemptFailed(
                Failure.UNREACHABLE, f"{self.name}: unreachable: {error or type(error).__name__}"
            ) from error
        except httpx2.TransportError as error:
            failure = Failure.GARBAGE if is_answering else Failure.DISCONNECTED
            raise AttemptFailed(failure, f"{self.name}: connection lost: {error or type(error).__name__}") from error
        except httpx2.HTTPError as error:
            raise AttemptFailed(
                Failure.GARBAGE, f"{self.name}: invalid HTTP response: {error or type(error).__name__}"
            ) from error

    async def _read(self, response: httpx2.Response, read_s: float) -> bytes:
        """Return the body.

        Raises:
            AttemptFailed: the body is truncated, late or too long.
        """
        body = bytearray()
        try:
            async with self._failing_after(read_s, is_answering=True):
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > _MAX_RESPONSE_BYTES:
                        raise AttemptFailed(
                            Failure.GARBAGE, f"{self.name}: response exceeds {_MAX_RESPONSE_BYTES} bytes"
                        )
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
        return bytes(body)

    def _headers(self) -> dict[str, str]:
        accept = {"Accept": "application/json"}
        return accept if self._key is None else {**accept, "Authorization": f"Bearer {self._key.get_secret_value()}"}

    def _http_failure(self, response: httpx2.Response, body: bytes) -> AttemptFailed:
        reported = read_error(body)
        failure = failure_of(response.status_code, reported.code)
        if failure is Failure.UNAUTHORIZED:
            self._reload_key()
        message = f"{self.name}: HTTP {response.status_code}{f': {reported.message}' if reported.message else ''}"
        if self._key is not None:  # some services quote the key
            message = message.replace(self._key.get_secret_value(), "…")
        return AttemptFailed(failure, message, retry_after_s(_lower_case(response.headers), datetime.now(UTC)))

    def _reload_key(self) -> None:
        """Read the key again, in case it was changed; the circuit's next probe tries it."""
        try:
            self._key = _read_key(self.settings)
        except ModelError:
            return  # keep the old key


def _form_fields(request: UpstreamRequest, model: str, response_format: ResponseFormat) -> dict[str, str | list[str]]:
    fields: dict[str, str | list[str]] = {"model": model, "response_format": response_format}
    if request.language is not None and request.task is Task.TRANSCRIBE:
        fields["language"] = request.language
    if request.prompt:
        fields["prompt"] = request.prompt
    if request.temperature:
        fields["temperature"] = f"{request.temperature:g}"
    if response_format == "verbose_json":
        fields["timestamp_granularities[]"] = ["word", "segment"]
    return fields


def _timeout(read_s: float) -> httpx2.Timeout:
    return httpx2.Timeout(connect=_CONNECT_S, pool=_POOL_S, write=_WRITE_S, read=read_s)


def _lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _url(text: str) -> httpx2.URL:
    try:
        return httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise ModelError(f"upstream {text}: {error}") from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_key(settings: UpstreamSettings) -> SecretStr | None:
    if settings.key_env is not None:
        source, text = f"environment variable {settings.key_env}", os.environ.get(settings.key_env, "")
    elif settings.key_file is not None:
        try:
            source, text = f"file {settings.key_file}", settings.key_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(
                f"upstream {settings.base_url}: no API key in file {settings.key_file}: {error}"
            ) from error
    else:
        return None
    key = text.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ModelError(f"upstream {settings.base_url}: no API key in {source}: expected one line of ASCII")
    return SecretStr(key)
