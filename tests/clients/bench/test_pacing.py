"""Open-loop pacing: due times, lateness, and the queue between capture and sending."""

import anyio
from hypothesis import given
from hypothesis import strategies as st

from clients.bench.pacing import Capture, Frame, FrameQueue, duration_s, frames_of
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
    pacing = Pacing()

    async def run() -> list[float]:
        capture = Capture(silence(0.5), RATE_HZ, 0.1, pacing)
        begin_s = anyio.current_time()
        queued_s = []

        async def take() -> None:
            while not capture.queue.is_over:
                taken = await capture.queue.take()
                if taken is not None:
                    queued_s.append(round(taken[1] - begin_s, 6))
                    if len(queued_s) == 1:
                        stall(0.25)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take)
            capture.begin(begin_s)
            await capture.run()
        return queued_s

    assert run_virtually(run) == [0.1, 0.35, 0.35, 0.4, 0.5]
    assert [round(late_s, 6) for late_s in pacing.late_s] == [0.0, 0.15, 0.05, 0.0, 0.0]


def test_audio_begins_once_and_its_position_is_what_was_captured() -> None:
    async def run() -> list[float]:
        capture = Capture(silence(0.25), RATE_HZ, 0.1, Pacing())
        positions = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(capture.run)
            for wait_s in (1.0, 0.15, 0.2):
                await anyio.sleep(wait_s)
                positions.append(capture.position_s)
                capture.begin(anyio.current_time())
        return [*positions, capture.audio_s]

    assert run_virtually(run) == [0.0, 0.1, 0.25, 0.25]


def test_audio_that_leaves_ends_with_the_last_whole_frame() -> None:
    async def run() -> tuple[float, float, bool]:
        capture = Capture(silence(9.0), RATE_HZ, 0.1, Pacing())
        capture.begin(anyio.current_time())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(capture.run)
            await anyio.sleep(0.35)
            capture.leave()
            left_s = anyio.current_time()
            await capture.left()
        return round(capture.audio_s, 6), anyio.current_time() - left_s, capture.has_left

    assert run_virtually(run) == (0.3, 0.0, True)


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
