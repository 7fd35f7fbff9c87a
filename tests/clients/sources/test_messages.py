import pytest

from clients.sources.messages import HEADER, Ended, Failed, Message, Opened, Request, packed, unpacked
from clients.sources.timeline import TimedAudio


@pytest.mark.parametrize(
    "message",
    [
        Opened(is_live=True),
        Opened(is_live=False, begin_s=1.4, duration_s=60.0),
        TimedAudio(1.5, b"\0\1"),
        TimedAudio(None, b""),
        Ended(is_whole=True, broken_packets=3),
        Failed("out of reach – ü", is_refused=True),
    ],
)
def test_a_message_survives_the_pipe(message: Message) -> None:
    data = packed(message)
    kind, stamp_s, body_bytes = HEADER.unpack(data[: HEADER.size])
    assert body_bytes == len(data) - HEADER.size
    assert unpacked(kind, stamp_s, data[HEADER.size :]) == message


def test_a_request_survives_its_line() -> None:
    request = Request("rtsp://ann:secret@example.com/x\n", ("example.com",), True, 2, 3.5)
    line = request.to_line()
    assert line.count(b"\n") == 1
    assert Request.from_line(line) == request
