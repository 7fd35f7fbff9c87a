"""One attempt at one upstream: a request out, an answer or a refusal back."""

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
from decoder.engines.upstream.response_parsing import Transcription, read_answer, read_refusal
from decoder.engines.upstream.retry_policy import Failure, Refusal, failure_of, read_timeout_s, retry_after_s
from decoder.settings import ResponseFormat, UpstreamSettings
from decoder.types import ModelError, RequestKind, Task
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["Ask", "HttpUpstream", "Upstream"]

logger = logging.getLogger("livecue.upstream")

_CONNECT_S, _POOL_S, _WRITE_S = 3.0, 0.5, 5.0
"""Three round trips on a bad line; no queue behind the pool's; 30 s of FLAC at 1 Mbit/s."""

_LOOPBACK_KEEPALIVE_S, _REMOTE_KEEPALIVE_S = 4.0, 25.0
"""Below what servers wait: uvicorn 5 s, proxies 30 s or more. Whoever closes last never meets a closed connection."""

_MOST_ANSWER_BYTES = 4 << 20
"""The verbose answer to 30 s has some 20 kB."""


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """What an upstream is asked.

    Attributes:
        name: the same whenever the same is asked: `Idempotency-Key`, and the file's name.
        kind: decides how long the answer is waited for.
        samples: float32[n] mono 16 kHz.
        start_sample: where they begin on the session's time line.
        language, prompt, task, temperature: as of a request.
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
        """Open a connection, so that the first request need not.

        Raises:
            Refusal: the service cannot be reached, or refuses the key.
        """
        ...

    async def post(self, ask: Ask, *, on_new_connection: bool) -> Transcription:
        """Ask once.

        Raises:
            Refusal: there is no answer.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class HttpUpstream:
    """An upstream over HTTP, with a pool of connections of its own: one that hangs takes none of another's.

    Args:
        settings: which service.

    Raises:
        ModelError: its URL is none, or its API key is not where the settings say.
    """

    def __init__(self, settings: UpstreamSettings) -> None:
        self.settings = settings
        url = _url(settings.base_url)
        self.name = url.netloc.decode("ascii")
        self._base_url = settings.base_url.rstrip("/")
        self._is_loopback = _is_loopback(url.host)
        self._key = _read_key(settings)
        if self._key is not None and url.scheme == "http" and not self._is_loopback:
            logger.warning("upstream=%s gets its API key unencrypted: its base_url begins with http://", self.name)
        keepalive_s = _LOOPBACK_KEEPALIVE_S if self._is_loopback else _REMOTE_KEEPALIVE_S
        # what is asked at once is bounded outside; one more is for `connect`
        limits = httpx2.Limits(
            max_connections=settings.concurrency + 1,
            max_keepalive_connections=settings.concurrency + 1,
            keepalive_expiry=keepalive_s,
        )
        # a proxy of the environment is for other hosts
        self._client = httpx2.AsyncClient(limits=limits, trust_env=not self._is_loopback)
        self._fresh_client = httpx2.AsyncClient(
            limits=httpx2.Limits(max_keepalive_connections=0), trust_env=not self._is_loopback
        )
        self._formats = settings.formats
        """The best first; only one, once it was answered."""

    async def connect(self) -> None:
        """Ask for the models: that opens a connection and shows the key; a service without such a list is as good.

        Raises:
            Refusal: the service cannot be reached, or refuses the key.
        """
        request = self._client.build_request(
            "GET", f"{self._base_url}/models", headers=self._headers(), timeout=_timeout(_CONNECT_S)
        )
        async with self._translated(_CONNECT_S):
            response = await self._client.send(request, stream=True)
        body = await self._read(response, _CONNECT_S)
        if response.status_code in (401, 402, 403):
            raise self._refusal(response, body)

    async def post(self, ask: Ask, *, on_new_connection: bool) -> Transcription:
        """Ask once; until a format was answered, once more for each that is refused.

        Raises:
            Refusal: there is no answer.
        """
        audio = await self._file(ask.samples)
        for response_format in self._formats:
            try:
                transcription = await self._post(ask, audio, response_format, on_new_connection=on_new_connection)
            except Refusal as refusal:
                # the format may be to blame, or the audio: that is known once another format is answered
                if refusal.failure is not Failure.INVALID or response_format == self._formats[-1]:
                    raise
            else:
                self._formats = (response_format,)
                return transcription
        raise AssertionError("the last format is answered, or raises")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()
        await self._fresh_client.aclose()

    async def _file(self, samples: Float32) -> AudioFile:
        return wav(samples) if self._is_loopback else await to_thread.run_sync(flac, samples)

    async def _post(
        self, ask: Ask, audio: AudioFile, response_format: ResponseFormat, *, on_new_connection: bool
    ) -> Transcription:
        client = self._fresh_client if on_new_connection else self._client
        read_s = read_timeout_s(ask.kind, len(ask.samples) / SAMPLE_RATE_HZ)
        path = "translations" if ask.task is Task.TRANSLATE else "transcriptions"
        headers = {"Idempotency-Key": ask.name, "X-Request-Id": ask.name, **self._headers()}
        request = client.build_request(
            "POST",
            f"{self._base_url}/audio/{path}",
            headers=headers,
            data=_fields(ask, self.settings.model, response_format),
            files={"file": (f"{ask.name}.{audio.suffix}", audio.content, audio.media_type)},
            timeout=_timeout(read_s),
        )
        async with self._translated(_POOL_S + _CONNECT_S + _WRITE_S + read_s):
            response = await client.send(request, stream=True)
        body = await self._read(response, read_s)
        if response.status_code != httpx2.codes.OK:
            raise self._refusal(response, body)
        try:
            return read_answer(body, response_format)
        except ValueError as error:
            raise Refusal(Failure.GARBAGE, f"{self.name}: {error}") from error

    @asynccontextmanager
    async def _translated(self, limit_s: float, *, is_answering: bool = False) -> AsyncIterator[None]:
        """Turn what the HTTP client raises into refusals, and end what takes longer in all than its parts may."""
        try:
            with anyio.fail_after(limit_s):
                yield
        except (TimeoutError, httpx2.ReadTimeout) as error:
            raise Refusal(Failure.TIMED_OUT, f"{self.name}: no answer in time") from error
        except (httpx2.ConnectError, httpx2.TimeoutException, httpx2.ProxyError, httpx2.UnsupportedProtocol) as error:
            raise Refusal(
                Failure.UNREACHABLE, f"{self.name}: cannot be reached: {error or type(error).__name__}"
            ) from error
        except httpx2.TransportError as error:
            failure = Failure.GARBAGE if is_answering else Failure.DISCONNECTED
            raise Refusal(failure, f"{self.name}: the connection broke: {error or type(error).__name__}") from error
        except httpx2.HTTPError as error:
            raise Refusal(Failure.GARBAGE, f"{self.name}: no HTTP: {error or type(error).__name__}") from error

    async def _read(self, response: httpx2.Response, read_s: float) -> bytes:
        """Return the body.

        Raises:
            Refusal: it breaks off, takes too long or is too long.
        """
        body = bytearray()
        try:
            async with self._translated(read_s, is_answering=True):
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > _MOST_ANSWER_BYTES:
                        raise Refusal(
                            Failure.GARBAGE, f"{self.name}: an answer of more than {_MOST_ANSWER_BYTES} bytes"
                        )
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
        return bytes(body)

    def _headers(self) -> dict[str, str]:
        accept = {"Accept": "application/json"}
        return accept if self._key is None else {**accept, "Authorization": f"Bearer {self._key.get_secret_value()}"}

    def _refusal(self, response: httpx2.Response, body: bytes) -> Refusal:
        said = read_refusal(body)
        failure = failure_of(response.status_code, said.code)
        if failure is Failure.UNAUTHORIZED:
            self._reload_key()
        message = f"{self.name}: HTTP {response.status_code}{f': {said.message}' if said.message else ''}"
        if self._key is not None:  # some services repeat it
            message = message.replace(self._key.get_secret_value(), "…")
        return Refusal(failure, message, retry_after_s(_small(response.headers), datetime.now(UTC)))

    def _reload_key(self) -> None:
        """Take the key that somebody may have changed meanwhile; the circuit's next probe tries it."""
        try:
            self._key = _read_key(self.settings)
        except ModelError:
            return  # the old one is no worse than none


def _fields(ask: Ask, model: str, response_format: ResponseFormat) -> dict[str, str | list[str]]:
    fields: dict[str, str | list[str]] = {"model": model, "response_format": response_format}
    if ask.language is not None and ask.task is Task.TRANSCRIBE:
        fields["language"] = ask.language
    if ask.prompt:
        fields["prompt"] = ask.prompt
    if ask.temperature:
        fields["temperature"] = f"{ask.temperature:g}"
    if response_format == "verbose_json":
        fields["timestamp_granularities[]"] = ["word", "segment"]
    return fields


def _timeout(read_s: float) -> httpx2.Timeout:
    return httpx2.Timeout(connect=_CONNECT_S, pool=_POOL_S, write=_WRITE_S, read=read_s)


def _small(headers: Mapping[str, str]) -> dict[str, str]:
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
        where, text = f"environment variable {settings.key_env}", os.environ.get(settings.key_env, "")
    elif settings.key_file is not None:
        try:
            where, text = f"file {settings.key_file}", settings.key_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(
                f"upstream {settings.base_url}: no API key in file {settings.key_file}: {error}"
            ) from error
    else:
        return None
    key = text.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ModelError(f"upstream {settings.base_url}: no API key in {where}: expected one line of ASCII")
    return SecretStr(key)
