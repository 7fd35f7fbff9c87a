"""Forms as clients send them, and malicious forms."""

import stat
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    GatewayError,
    IdleTimeout,
    InvalidRequest,
    Overloaded,
    PayloadTooLarge,
    UnsupportedMedia,
)
from gateway.media.upload import Upload, receive_upload
from gateway.settings import UploadSettings

Refusal = TypeVar("Refusal", bound=GatewayError)

BOUNDARY = "x-the-boundary-x"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
SETTINGS = UploadSettings()
AUDIO = b"RIFF\r\n--not the boundary\r\n" * 50


def part(name: str, value: bytes, filename: str | None = None, headers: str = "") -> bytes:
    named = "" if filename is None else f'; filename="{filename}"'
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n{headers}\r\n'.encode()
        + value
        + b"\r\n"
    )


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


USUAL = form(part("model", b"whisper-1"), part("file", AUDIO, "talk.wav", "Content-Type: audio/x-wav\r\n"))


async def in_pieces(body: bytes, piece_bytes: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(body), piece_bytes):
        yield body[start : start + piece_bytes]


async def received(
    body: bytes,
    settings: UploadSettings = SETTINGS,
    piece_bytes: int = 65_536,
    content_type: str | None = CONTENT_TYPE,
    content_length: int | None = None,
) -> tuple[Upload, bytes | None]:
    async with receive_upload(content_type, content_length, in_pieces(body, piece_bytes), settings) as upload:
        return upload, None if upload.file is None else upload.file.path.read_bytes()


async def refusal(kind: type[Refusal], body: bytes, settings: UploadSettings = SETTINGS) -> Refusal:
    with pytest.raises(kind) as caught:
        await received(body, settings)
    return caught.value


def spooled_bytes(spool: Path) -> int:
    return sum(path.stat().st_size for path in spool.rglob("file"))


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _nothing_stays_on_disk(spool: Path) -> Iterator[None]:
    yield
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("piece_bytes", [1, 7, 65_536])
async def test_a_form_is_the_same_however_it_is_cut(piece_bytes: int) -> None:
    upload, audio = await received(USUAL, piece_bytes=piece_bytes)
    assert upload.fields == {"model": ("whisper-1",)}
    assert upload.file is not None
    assert (upload.file.filename, upload.file.size_bytes) == ("talk.wav", len(AUDIO))
    assert audio == AUDIO


async def test_a_file_of_megabytes_arrives_whole() -> None:
    audio = bytes(range(256)) * 8_192
    upload, kept = await received(form(part("file", audio, "a.wav")))
    assert upload.file is not None
    assert upload.file.size_bytes == len(audio)
    assert kept == audio


async def test_repeated_fields_keep_their_order_and_names_are_as_sent() -> None:
    upload, _ = await received(
        form(part("keywords[]", "Ärger".encode()), part("keywords[]", b"b"), part("keywords", b""))
    )
    assert upload.fields == {"keywords[]": ("Ärger", "b"), "keywords": ("",)}
    assert upload.file is None


async def test_the_file_may_come_first_and_need_not_be_called_anything() -> None:
    upload, audio = await received(form(part("file", AUDIO), part("model", b"m")))
    assert upload.file is not None
    assert upload.file.filename == "file"
    assert audio == AUDIO
    assert upload.fields == {"model": ("m",)}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\talk.mp3", "talk.mp3"),
        ("..", "file"),
        ("/", "file"),
        ("a\tb.wav", "ab.wav"),
        ("Vortrag über.ogg", "Vortrag über.ogg"),
    ],
)
async def test_a_filename_never_is_a_path(sent: str, kept: str, spool: Path) -> None:
    async with receive_upload(CONTENT_TYPE, None, in_pieces(form(part("file", AUDIO, sent))), SETTINGS) as upload:
        assert upload.file is not None
        assert upload.file.filename == kept
        assert upload.file.path.parent.parent == spool


async def test_only_the_gateway_may_look_at_the_file() -> None:
    async with receive_upload(CONTENT_TYPE, None, in_pieces(USUAL), SETTINGS) as upload:
        assert upload.file is not None
        assert stat.S_IMODE(upload.file.path.parent.stat().st_mode) == 0o700


async def test_a_file_is_gone_when_its_use_fails(spool: Path) -> None:
    async def use() -> None:
        async with receive_upload(CONTENT_TYPE, None, in_pieces(USUAL), SETTINGS):
            assert spooled_bytes(spool) == len(AUDIO)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use()
    assert spooled_bytes(spool) == 0


async def test_an_announced_body_that_is_too_large_is_not_read() -> None:
    reads = []

    async def watched() -> AsyncIterator[bytes]:
        reads.append(1)
        yield USUAL

    with pytest.raises(PayloadTooLarge, match=r"26214401 bytes is too large \(limit 26214400 bytes\)"):
        async with receive_upload(CONTENT_TYPE, SETTINGS.max_body_bytes + 1, watched(), SETTINGS):
            pass
    assert reads == []


async def test_a_body_that_grows_too_large_is_read_no_further() -> None:
    pieces = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal pieces
        yield part("file", b"", "a.wav")[:-2]
        while True:
            pieces += 1
            yield bytes(1_000)

    with pytest.raises(PayloadTooLarge, match="more than 100000 bytes"):
        async with receive_upload(CONTENT_TYPE, None, endless(), UploadSettings(max_body_bytes=100_000)):
            pass
    assert pieces == 100


async def test_a_file_is_never_whole_in_memory(spool: Path) -> None:
    spooled = []

    async def watched() -> AsyncIterator[bytes]:
        yield part("file", b"", "a.wav")[:-2]
        for _ in range(64):
            yield bytes(65_536)
            spooled.append(spooled_bytes(spool))
        yield b"\r\n" + form()

    async with receive_upload(CONTENT_TYPE, None, watched(), SETTINGS) as upload:
        assert upload.file is not None
        assert upload.file.size_bytes == 64 * 65_536
    behind = [65_536 * count - size for count, size in enumerate(spooled, 1)]
    assert max(behind) <= 5 * 65_536


async def test_fields_are_limited_together_and_in_number() -> None:
    settings = UploadSettings(max_field_bytes=100, max_fields=3)
    await received(form(part("a", b"x" * 99)), settings)
    assert "100 bytes" in str(await refusal(PayloadTooLarge, form(part("a", b"x" * 100)), settings))
    await refusal(PayloadTooLarge, form(part("a", b"x" * 60), part("b", b"x" * 60)), settings)
    assert "3 fields" in str(await refusal(PayloadTooLarge, form(*[part("a", b"")] * 4), settings))


async def test_headers_of_a_part_are_limited() -> None:
    await refusal(InvalidRequest, form(part("a", b"", headers=f"X-Long: {'x' * 5_000}\r\n")))
    await refusal(InvalidRequest, form(part("a", b"", headers="X-Many: x\r\n" * 20)))


async def test_a_body_that_never_comes_ends_in_time() -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield USUAL[:200]
        await anyio.sleep_forever()

    with pytest.raises(IdleTimeout, match=r"within 0\.05 s"):
        async with receive_upload(CONTENT_TYPE, None, stalled(), UploadSettings(receive_timeout_s=0.05)):
            pass


async def test_a_client_that_goes_away_leaves_nothing(spool: Path) -> None:
    class ClientDisconnect(Exception):
        pass

    async def broken_off() -> AsyncIterator[bytes]:
        yield part("file", bytes(300_000), "a.wav")
        assert spooled_bytes(spool) == 300_000
        raise ClientDisconnect

    with pytest.raises(ClientDisconnect):
        async with receive_upload(CONTENT_TYPE, None, broken_off(), SETTINGS):
            pass


async def test_a_cancelled_upload_leaves_nothing() -> None:
    begun = anyio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield part("file", bytes(300_000), "a.wav")
        begun.set()
        await anyio.sleep_forever()

    async def receive() -> None:
        async with receive_upload(CONTENT_TYPE, None, stalled(), SETTINGS):
            pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive)
        await begun.wait()
        tasks.cancel_scope.cancel()


async def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_spool: object, _piece: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.media.upload._write", full)
    assert "No space left" in str(await refusal(Overloaded, USUAL))


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        (None, UnsupportedMedia),
        ("", UnsupportedMedia),
        ("application/json", UnsupportedMedia),
        ("application/x-www-form-urlencoded", UnsupportedMedia),
        (f"multipart/mixed; boundary={BOUNDARY}", UnsupportedMedia),
        ("multipart/form-data", InvalidRequest),
        ("multipart/form-data; boundary=", InvalidRequest),
        (f"multipart/form-data; boundary={'x' * 1_000}", InvalidRequest),
        ("multipart/form-data; boundary=another", InvalidRequest),
        ("multipart/form-data; boundary=žluť", InvalidRequest),
    ],
)
async def test_a_body_that_is_no_form_is_refused(content_type: str | None, kind: type[GatewayError]) -> None:
    with pytest.raises(kind):
        await received(USUAL, content_type=content_type)


async def test_a_content_type_may_be_spelled_in_any_way() -> None:
    upload, _ = await received(USUAL, content_type=f'Multipart/Form-Data ;charset=utf-8; BOUNDARY="{BOUNDARY}"')
    assert upload.file is not None


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        (b"", "body ends before the form does", None),
        (b"not a form at all", "malformed form", None),
        (USUAL[:-30], "body ends before the form does", None),
        (USUAL[: -len(BOUNDARY) - 8] + b"\r\n--" + BOUNDARY.encode(), "body ends before the form does", None),
        (form(part("file", AUDIO, "a.wav"), part("file", AUDIO, "b.wav")), "file: given more than once", "file"),
        (form(part("", b"nobody")), "a part has no name", None),
        (form(f"--{BOUNDARY}\r\n\r\nbare\r\n".encode()), "a part has no name", None),
        (form(f'--{BOUNDARY}\r\nContent-Disposition: attachment; name="a"\r\n\r\n\r\n'.encode()), "no name", None),
        (form(part("audio", AUDIO, "a.wav")), "expected a file only in the field file", "audio"),
        (form(part("file", b"--y--", "a", "Content-Type: Multipart/mixed; boundary=y\r\n")), "nested form", "file"),
        (form(part("model", b"bQ==", headers="Content-Transfer-Encoding: base64\r\n")), "base64", "model"),
        (form(part("prompt", b"\xff\xfe")), "not UTF-8", "prompt"),
        (form(part("a", b"").replace(b'name="a"', b'name="\xff"')), "not UTF-8", None),
    ],
)
async def test_a_form_that_is_broken_or_odd_is_refused_with_the_reason(
    body: bytes, message: str, field: str | None
) -> None:
    error = await refusal(InvalidRequest, body)
    assert message in str(error)
    assert error.field == field


WHOLE = form(part("model", b"m"), part("file", b"RIFF", "a.wav", "Content-Type: audio/wav\r\n"))

DISTURBANCES = [
    f"--{BOUNDARY}".encode(),
    f"\r\n--{BOUNDARY}--\r\n".encode(),
    b"--",
    b"\r\n",
    b"\n",
    b"Content-Disposition: form-data",
    b'; name="a"',
    b'; filename="b"',
    b":",
    b"\xff\x00",
]


@given(
    disturbances=st.lists(st.tuples(st.integers(0, len(WHOLE)), st.sampled_from(DISTURBANCES)), max_size=4),
    end=st.integers(0, len(WHOLE)) | st.none(),
    piece_bytes=st.integers(1, 50),
)
def test_a_disturbed_form_is_a_form_or_refused(
    disturbances: Sequence[tuple[int, bytes]], end: int | None, piece_bytes: int
) -> None:
    body = WHOLE
    for position, disturbance in disturbances:
        body = body[:position] + disturbance + body[position:]

    async def receive() -> None:
        with suppress(InvalidRequest):
            await received(body[:end], piece_bytes=piece_bytes)

    anyio.run(receive)
