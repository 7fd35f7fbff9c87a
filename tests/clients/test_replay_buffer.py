"""Audio and controls that may be sent again: nothing is lost, repeated or misplaced."""

from dataclasses import dataclass, field
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.replay_buffer import KEPT_S, Buffered, ReplayBuffer
from gateway.wire import Audio, AudioFormat, Encoding, Flush, LostAudio, ProtocolError, Stop

RATE_HZ = 8_000
FORMAT = AudioFormat(Encoding.PCM_S24LE, RATE_HZ, 1)
FRAME_BYTES = 3


def audio(start: int, count: int) -> bytes:
    """Return bytes of audio in which no two seconds are equal."""
    return bytes((index * 7 + index // 251) % 256 for index in range(start, start + count))


def seconds(count: float) -> Audio:
    return Audio(bytes(round(count * RATE_HZ) * FRAME_BYTES))


@dataclass
class Receiver:
    """The other end: collects audio, and controls with their positions."""

    decoded: bytearray = field(default_factory=bytearray)
    marks: list[tuple[int, Buffered]] = field(default_factory=list)

    def receive(self, buffer: Buffered) -> None:
        if isinstance(buffer, Audio):
            self.decoded += buffer.data
        else:
            self.marks.append((len(self.decoded), buffer))

    def rewind_to(self, sample: int) -> None:
        del self.decoded[sample * FRAME_BYTES :]
        self.marks = [mark for mark in self.marks if mark[0] < sample * FRAME_BYTES]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 12) | st.integers(0, 60_000)),
        st.tuples(st.just("flush"), st.integers(0, 9)),
        st.tuples(st.just("gap"), st.integers(0, 9)),
        st.tuples(st.just("take"), st.integers(1, 6)),
        st.tuples(st.just("ack"), st.integers(0, 100)),
        st.tuples(st.just("lost"), st.integers(0, 100)),
    ),
    max_size=60,
)


@given(steps=steps)
def test_whatever_is_lost_the_other_end_receives_all_once_with_controls_in_place(steps: list[tuple[str, int]]) -> None:
    buffer, other, wanted = ReplayBuffer(FORMAT), Receiver(), Receiver()
    processed = 0
    for step, number in [*steps, ("stop", 0), ("take", 10**6)]:
        match step:
            case "add":
                data = audio(len(wanted.decoded), number)
                wanted.receive(Audio(data))
                buffer.add(Audio(data))
            case "flush" | "gap" | "stop":
                marks: dict[str, Buffered] = {"flush": Flush(str(number)), "gap": LostAudio(number + 1), "stop": Stop()}
                mark = marks[step]
                wanted.receive(mark)
                buffer.add(mark)
            case "take":
                while number and (item := buffer.take()) is not None:
                    other.receive(item)
                    number -= 1
            case "ack":  # somewhere in what was decoded, and never back
                whole = len(other.decoded) // FRAME_BYTES
                processed = max(processed, whole * number // 100)
                buffer.acked(processed)
            case _:  # the other end has lost the newest, at most as much as it may request
                whole = len(other.decoded) // FRAME_BYTES
                first = max(buffer.held_sample, processed - round(KEPT_S * RATE_HZ))
                next_sample = first + (whole - first) * number // 100
                other.rewind_to(next_sample)
                buffer.rewind_to(next_sample)
    assert other.decoded == wanted.decoded
    assert other.marks == wanted.marks


@pytest.mark.parametrize("taken", range(5))
@pytest.mark.parametrize("next_sample", range(5))
def test_wherever_the_audio_was_cut_it_continues_at_any_sample_frame(next_sample: int, taken: int) -> None:
    for first, second in combinations(range(13), 2):
        buffer = ReplayBuffer(FORMAT)
        for data in (audio(0, first), audio(first, second - first), audio(second, 12 - second)):
            buffer.add(Audio(data))
        for _ in range(taken):
            buffer.take()
        buffer.rewind_to(next_sample)
        assert b"".join(iter_audio(buffer)) == audio(0, 12)[next_sample * FRAME_BYTES :]


@given(cuts=st.lists(st.integers(0, 50_000), max_size=12), sent=st.integers(0, 12), limit_s=st.integers(2, 5))
def test_beyond_the_limit_the_oldest_is_dropped_and_the_rest_is_whole(cuts: list[int], sent: int, limit_s: int) -> None:
    buffer, end = ReplayBuffer(FORMAT, limit_s), 0
    for number, count in enumerate(cuts):
        buffer.add(Audio(audio(end, count)))
        end += count
        if number < sent:
            buffer.take()
    held = buffer.held_sample * FRAME_BYTES
    assert end - held <= limit_s * RATE_HZ * FRAME_BYTES
    assert held == 0 or end - held > (limit_s - 1) * RATE_HZ * FRAME_BYTES - FRAME_BYTES
    if held <= end:
        buffer.rewind_to(buffer.held_sample)
        assert not buffer.has_gap
        assert b"".join(iter_audio(buffer)) == audio(held, end - held)


def iter_audio(buffer: ReplayBuffer) -> list[bytes]:
    pieces = []
    while (piece := buffer.take()) is not None:
        assert isinstance(piece, Audio)
        pieces.append(piece.data)
    return pieces


def test_audio_is_kept_from_23_s_before_the_last_answer() -> None:
    buffer = ReplayBuffer(FORMAT)
    for _ in range(40):
        buffer.add(seconds(1))
        buffer.take()
    buffer.acked(30 * RATE_HZ)
    assert 6 * RATE_HZ <= buffer.held_sample <= 7 * RATE_HZ
    assert buffer.sent_ahead_s == buffer.unanswered_s == 10


def test_no_piece_is_longer_than_a_second() -> None:
    buffer = ReplayBuffer(FORMAT)
    buffer.add(seconds(2.5))
    assert [len(piece) for piece in iter_audio(buffer)] == [24_000, 24_000, 12_000]


def test_audio_dropped_before_it_was_sent_is_a_gap_that_a_resume_closes() -> None:
    buffer = ReplayBuffer(FORMAT, limit_s=5)
    buffer.add(seconds(1))
    buffer.take()
    buffer.add(Flush("a"))
    buffer.add(seconds(7))
    assert buffer.has_gap
    assert buffer.take() is None
    buffer.rewind_to(buffer.held_sample)
    assert buffer.held_sample == 3 * RATE_HZ
    assert buffer.take() == Flush("a"), "the audio before it is gone, the flush is not"
    assert buffer.take() == seconds(1)


def test_a_gap_that_grows_while_a_resume_is_under_way_stays_one() -> None:
    buffer = ReplayBuffer(FORMAT, limit_s=5)
    buffer.add(seconds(5))
    requested = buffer.held_sample
    buffer.add(seconds(1))
    buffer.rewind_to(requested)
    assert buffer.has_gap
    buffer.rewind_to(buffer.held_sample)
    assert not buffer.has_gap


def test_audio_that_does_not_exist_yet_cannot_be_requested() -> None:
    buffer = ReplayBuffer(FORMAT)
    buffer.add(seconds(1))
    with pytest.raises(ProtocolError, match="requested sample frame 8001: expected at most 8000"):
        buffer.rewind_to(8_001)


def test_another_session_begins_with_the_unanswered_audio() -> None:
    buffer = ReplayBuffer(FORMAT)
    buffer.add(Audio(audio(0, 90_000)))
    buffer.add(Flush("a"))
    iter_controls = [buffer.take() for _ in range(5)]
    assert iter_controls[-1] == Flush("a")
    buffer.acked(2 * RATE_HZ)
    buffer.restart()
    assert buffer.held_sample == 0
    assert buffer.unanswered_s * RATE_HZ * FRAME_BYTES == 90_000 - 48_000
    decoded = Receiver()
    while (piece := buffer.take()) is not None:
        decoded.receive(piece)
    assert decoded.decoded == audio(48_000, 42_000)
    assert decoded.marks == [(42_000, Flush("a"))]
