"""Receives a multipart form (RFC 7578) or a bare file, streamed to a temporary file.

Nothing in a request is trusted: sizes are counted, time is limited, and anything but a plain form is refused.
"""

import logging
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path, PureWindowsPath

import anyio
from anyio import to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gateway.errors import IdleTimeout, InvalidRequest, Overloaded, PayloadTooLarge, UnsupportedMedia
from gateway.settings import UploadSettings

__all__ = ["SpooledFile", "Upload", "receive_body", "receive_upload"]

_FILE_FIELD = "file"
"""The one part that is a file, as in OpenAI's API."""

_SPOOL_BYTES = 2**18
"""Written at once: a file of 25 MiB takes a hundred calls of a thread."""

_TRANSFER_ENCODINGS = {"", "7bit", "8bit", "binary"}
"""The identity encodings. RFC 7578 §4.7 deprecates the others."""

# it warns of every malformed form and quotes it; the client gets an error anyway
logging.getLogger("python_multipart").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """The file of a form, on disk.

    Attributes:
        path: valid until the context ends.
        filename: from the client, without folders; `file` where it gives none. Not a path on this machine.
        size_bytes: its size; 0 is possible.
    """

    path: Path
    filename: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Upload:
    """A form, completely received.

    Attributes:
        fields: name → its values in order, names as they were sent (`name[]` is not `name`).
        file: the part named `file`; None: no such part.
    """

    fields: dict[str, tuple[str, ...]]
    file: SpooledFile | None


@asynccontextmanager
async def receive_upload(
    content_type: str | None, content_length: int | None, body: AsyncIterable[bytes], settings: UploadSettings
) -> AsyncIterator[Upload]:
    """Receive a multipart form; its file is deleted when the context ends.

    Args:
        content_type: header of the request; None: missing.
        content_length: header of the request, in bytes; None: missing.
        body: of the request, in pieces of any size. Its exceptions are passed on.
        settings: the limits.

    Raises:
        UnsupportedMedia: it is not multipart/form-data.
        InvalidRequest: it is malformed, or has a second file.
        PayloadTooLarge: it is larger, or has more fields, than the limits.
        IdleTimeout: it was not received in time.
        Overloaded: the disk is full.
    """
    form = _Form(_boundary_of(content_type), settings)
    async with _spooled(form, content_length, body, settings) as (path, size_bytes):
        file = None if form.filename is None else SpooledFile(path, form.filename, size_bytes)
        yield Upload({name: tuple(values) for name, values in form.fields.items()}, file)


@asynccontextmanager
async def receive_body(
    content_length: int | None, body: AsyncIterable[bytes], settings: UploadSettings
) -> AsyncIterator[SpooledFile]:
    """Receive a body that is a file; the file is deleted when the context ends.

    Args:
        content_length: header of the request, in bytes; None: missing.
        body: of the request, in pieces of any size. Its exceptions are passed on.
        settings: the limits.

    Raises:
        PayloadTooLarge: it is larger than the limit.
        IdleTimeout: it was not received in time.
        Overloaded: the disk is full.
    """
    async with _spooled(_Bare(), content_length, body, settings) as (path, size_bytes):
        yield SpooledFile(path, _FILE_FIELD, size_bytes)


@asynccontextmanager
async def _spooled(
    form: "_Form | _Bare", content_length: int | None, body: AsyncIterable[bytes], settings: UploadSettings
) -> AsyncIterator[tuple[Path, int]]:
    """Receive a body, and yield the path and size in bytes of its file."""
    if content_length is not None and content_length > settings.max_body_bytes:
        raise PayloadTooLarge(f"body of {content_length} bytes is too large (limit {settings.max_body_bytes} bytes)")
    async with anyio.TemporaryDirectory(prefix="livecue-", ignore_cleanup_errors=True) as directory:
        path = Path(directory) / _FILE_FIELD
        with anyio.move_on_after(settings.receive_timeout_s) as patience:
            with await to_thread.run_sync(_opened_spool, path) as spool:
                size_bytes = await _receive(form, body, spool, settings)
        if patience.cancelled_caught:
            raise IdleTimeout(f"body not received within {settings.receive_timeout_s:g} s")
        yield path, size_bytes


async def _receive(
    form: "_Form | _Bare", body: AsyncIterable[bytes], spool: BufferedWriter, settings: UploadSettings
) -> int:
    """Return the size of the file in bytes."""
    received_bytes = spooled_bytes = 0
    async for piece in body:
        received_bytes += len(piece)
        if received_bytes > settings.max_body_bytes:
            raise PayloadTooLarge(f"body has more than {settings.max_body_bytes} bytes, which is the limit")
        form.push(piece)
        if len(form.unspooled) >= _SPOOL_BYTES:
            spooled_bytes += await _spool(form, spool)
    form.finish()
    return spooled_bytes + await _spool(form, spool)


async def _spool(form: "_Form | _Bare", spool: BufferedWriter) -> int:
    piece = bytes(form.unspooled)
    form.unspooled.clear()
    try:
        return await to_thread.run_sync(_write, spool, piece)
    except OSError as error:
        raise Overloaded(f"file cannot be stored until it is decoded ({error.strerror})") from error


def _opened_spool(path: Path) -> BufferedWriter:
    try:
        return path.open("xb")
    except OSError as error:
        raise Overloaded(f"file cannot be stored until it is decoded ({error.strerror})") from error


def _write(spool: BufferedWriter, piece: bytes) -> int:
    spool.write(piece)
    spool.flush()  # not on close, where a full disk would go unnoticed
    return len(piece)


def _boundary_of(content_type: str | None) -> bytes:
    kind, options = parse_options_header(_latin_1(content_type or ""))
    if kind != b"multipart/form-data":
        raise UnsupportedMedia(f"content type {content_type or 'missing'}: expected multipart/form-data")
    if not (boundary := options.get(b"boundary")):
        raise InvalidRequest(f"content type {content_type}: boundary is missing")
    return boundary


class _Bare:
    """A body that is the file itself."""

    def __init__(self) -> None:
        self.unspooled = bytearray()

    def push(self, piece: bytes) -> None:
        """Append a piece."""
        self.unspooled += piece

    def finish(self) -> None:
        """Do nothing: the file may end anywhere."""


class _Form:
    """A form parser: bytes in, split anywhere; fields out, and the data of the file that is not on disk yet."""

    def __init__(self, boundary: bytes, settings: UploadSettings) -> None:
        self.fields: dict[str, list[str]] = {}
        self.filename: str | None = None
        self.unspooled = bytearray()
        self._settings = settings
        self._is_complete = False
        self._parts = 0
        self._field_bytes = 0
        self._headers: dict[str, str] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._name: str | None = None
        self._value = bytearray()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_name,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
                max_header_size=settings.max_header_bytes,
            )
        except FormParserError as error:
            raise InvalidRequest(f"malformed form: {error}") from error

    def push(self, piece: bytes) -> None:
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise InvalidRequest(f"malformed form: {error}") from error

    def finish(self) -> None:
        if not self._is_complete:
            raise InvalidRequest("body ends before the form does")

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._settings.max_fields:
            raise PayloadTooLarge(f"form has more than {self._settings.max_fields} fields, which is the limit")
        self._headers.clear()

    def _on_header_name(self, piece: bytes, start: int, end: int) -> None:
        self._header_name += piece[start:end]

    def _on_header_value(self, piece: bytes, start: int, end: int) -> None:
        self._header_value += piece[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = self._header_value.decode("latin-1")
        self._header_name.clear()
        self._header_value.clear()

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get("content-disposition"))
        if kind != b"form-data" or not options.get(b"name"):
            raise InvalidRequest('a part has no name: Content-Disposition: form-data; name="…" is missing')
        name = _text(options[b"name"], "the name of a field", None)
        self._refuse_encoded(name)
        filename = options.get(b"filename")
        if name == _FILE_FIELD:
            if self.filename is not None:
                raise InvalidRequest("file: given more than once", _FILE_FIELD)
            self.filename = _bare_filename(filename or b"")
        elif filename is not None:
            raise InvalidRequest(f"{name}: is a file; expected a file only in the field {_FILE_FIELD}", name)
        self._name = name
        self._count_field_bytes(len(name))

    def _refuse_encoded(self, name: str) -> None:
        if self._headers.get("content-type", "").strip().lower().startswith("multipart/"):
            raise InvalidRequest(f"{name}: nested form; expected plain values and one file", name)
        encoding = self._headers.get("content-transfer-encoding", "").strip().lower()
        if encoding not in _TRANSFER_ENCODINGS:
            raise InvalidRequest(f"{name}: Content-Transfer-Encoding {encoding}: expected binary", name)

    def _on_part_data(self, piece: bytes, start: int, end: int) -> None:
        if self._name == _FILE_FIELD:
            self.unspooled += memoryview(piece)[start:end]
        else:
            self._count_field_bytes(end - start)
            self._value += piece[start:end]

    def _on_part_end(self) -> None:
        assert self._name is not None, "a part ends after its headers"
        if self._name != _FILE_FIELD:
            self.fields.setdefault(self._name, []).append(_text(bytes(self._value), self._name, self._name))
        self._name = None
        self._value.clear()

    def _on_end(self) -> None:
        self._is_complete = True

    def _count_field_bytes(self, count: int) -> None:
        self._field_bytes += count
        if self._field_bytes > self._settings.max_field_bytes:
            limit = self._settings.max_field_bytes
            raise PayloadTooLarge(f"fields besides the file have more than {limit} bytes in all, which is the limit")


def _text(raw: bytes, what: str, field: str | None) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{what}: not UTF-8 ({error.reason} at byte {error.start})", field) from error


def _bare_filename(raw: bytes) -> str:
    # a Windows path accepts both kinds of slashes
    name = PureWindowsPath(raw.decode(errors="replace")).name
    return "".join(character for character in name if character.isprintable()).lstrip(".") or _FILE_FIELD


def _latin_1(header: str) -> str:
    # the encoding of HTTP headers; the parser accepts no other
    return header.encode("latin-1", "replace").decode("latin-1")
