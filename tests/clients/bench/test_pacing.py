"""Open-loop pacing: due times, lateness, and the queue between capture and sending."""

import anyio
from hypothesis import given
from hypothesis import strategies as st

from clients.bench.pacing import Frame, FrameQueue, duration_s, frames_of, pace
from clients.bench.trace import Pacing
from tests.clients.bench.virtual_time import run_virtually, stall

RATE_HZ = 16_000


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE_HZ))


def test_each_frame_is_due_when_its_last_sample_has_been_captured() -> None:
    frames = list(frames_of(silence(0.25), RATE_HZ, 0.1))
    assert [(frame.start_s, frame.due_s) for frame in frames] == [(0.0, 0.1), (0.1, 0.2), (0.2, 0.25)]


@given(st.binary(max_size=4000).map(lambda pcm: pcm[: len(pcm) // 2 * 2]), st.floats(0.00001, 0.3))
def test_frames_are_the_audio_without_gaps(pcm: bytes, frame_s: float) -> None:
    frames = list(frames_of(pcm, 8000, frame_s))
    assert b"".join(frame.pcm for frame in frames) == pcm
    assert [frame.start_s for frame in frames[1:]] == [frame.due_s for frame in frames[:-1]]
    assert not frames or frames[-1].due_s == duration_s(pcm, 8000)


def test_frames_are_queued_at_absolute_times_although_one_was_late() -> None:
    queue, pacing = FrameQueue(), Pacing()

    class Stalling(FrameQueue):
        """Stops the event loop's clock owner for 0.25 s at the first frame."""

        def put(self, frame: Frame, at_s: float) -> None:
            queue.put(frame, at_s)
            if frame.start_s == 0.0:
                stall(0.25)

    async def run() -> list[float]:
        begin_s = anyio.current_time()
        await pace(frames_of(silence(0.5), RATE_HZ, 0.1), begin_s, Stalling(), pacing)
        queue.end()
        taken = []
        while not queue.is_over:
            item = await queue.take()
            assert item is not None
            taken.append(round(item[1] - begin_s, 6))
        return taken

    assert run_virtually(run) == [0.1, 0.35, 0.35, 0.4, 0.5]
    assert [round(late_s, 6) for late_s in pacing.late_s] == [0.0, 0.15, 0.05, 0.0, 0.0]


def test_an_early_timer_is_not_counted_as_negative_lateness() -> None:
    pacing = Pacing()

    async def run() -> None:
        await pace(frames_of(silence(0.1), RATE_HZ, 0.1), anyio.current_time() + 1e-12, FrameQueue(), pacing)

    run_virtually(run)
    assert pacing.late_s[0] >= 0.0


def test_a_waiting_sender_is_woken_without_a_frame() -> None:
    async def run() -> tuple[object, object]:
        queue, answers = FrameQueue(), list[object]()

        async def take() -> None:
            answers.append(await queue.take())
            answers.append(await queue.take())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take)
            await anyio.sleep(1)
            queue.wake()
            await anyio.sleep(1)
            queue.put(Frame(b"ab", 0.0, 0.1), 1.0)
        return answers[0], answers[1]

    assert run_virtually(run) == (None, (Frame(b"ab", 0.0, 0.1), 1.0))


def test_the_queue_is_over_only_when_its_last_frame_was_taken() -> None:
    async def run() -> tuple[bool, bool]:
        queue = FrameQueue()
        queue.put(Frame(b"ab", 0.0, 0.1), 1.0)
        queue.end()
        was_over = queue.is_over
        await queue.take()
        return was_over, queue.is_over

    assert run_virtually(run) == (False, True)
