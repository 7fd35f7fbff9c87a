"""The loop that owns a device: who is answered what when something fails, and that nobody waits for ever."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from decoder.engines.torch_whisper import device as device_module
from decoder.engines.torch_whisper.checkpoint import Checkpoint
from decoder.engines.torch_whisper.device import Device
from decoder.engines.torch_whisper.device_loop import AnyJob, DeviceLoop
from decoder.engines.torch_whisper.jobs import Align, Detect, Generate, Search, Window
from decoder.engines.torch_whisper.slots import Finished, Progress, Start
from decoder.whisper.network import Alignment
from tests.audio import noise, tone
from tests.small_whisper import checkpoint, vocabulary

SLOTS = 4
SOT = vocabulary().sot
PATIENCE_S = 30.0
"""Nothing here takes a second; who waits this long waits for ever."""


class FaultyDevice(Device):
    """Raises what the test sets, in the step that it names, once or for ever."""

    def __init__(self, weights: Checkpoint | None = None) -> None:
        super().__init__(weights or checkpoint(), vocabulary(), torch.device("cpu"), torch.float32, SLOTS)
        self.faults: dict[str, Exception] = {}
        self.is_lost = False
        self.rows_that_fail = 1
        self.encoded: list[tuple[int, ...]] = []
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.resets = 0
        self.may_reset = threading.Event()
        self.may_reset.set()

    def _fault(self, step: str) -> None:
        if step in self.faults:
            raise self.faults[step] if self.is_lost else self.faults.pop(step)

    def warm_up(self) -> None:
        assert self.go_on.wait(PATIENCE_S)
        self._fault("warm_up")

    def reset(self) -> None:
        assert self.may_reset.wait(PATIENCE_S)
        self.resets += 1
        self._fault("reset")
        super().reset()

    def encode(self, slots: Sequence[int], windows: Sequence[Window]) -> None:
        self.reached.set()
        assert self.go_on.wait(PATIENCE_S)
        self._fault("encode")
        self.encoded.append(tuple(slots))
        super().encode(slots, windows)

    def begin(self, slot: int, start: Start) -> Progress:
        self._fault("begin")
        return super().begin(slot, start)

    def advance(self, running: Iterable[tuple[int, Progress]], *, is_random: bool) -> None:
        rows = list(running)
        if len(rows) >= self.rows_that_fail:
            self._fault("advance")
        super().advance(rows, is_random=is_random)

    def stop(self, slot: int) -> None:
        self._fault("stop")
        super().stop(slot)

    def detect(self, slot: int, job: Detect) -> list[float]:
        self._fault("detect")
        return super().detect(slot, job)

    def align(self, slot: int, job: Align) -> list[Alignment]:
        self._fault("align")
        return super().align(slot, job)

    def search(self, slot: int, start: Start, beams: int) -> Iterator[Finished | None]:
        for found in super().search(slot, start, beams):
            self._fault("search")
            yield found


@pytest.fixture
def device() -> FaultyDevice:
    return FaultyDevice()


@pytest.fixture
def loop(device: FaultyDevice) -> Iterator[DeviceLoop]:
    made = DeviceLoop(device)
    yield made
    device.go_on.set()
    made.close()


def window(seed: int, positions: int = 64) -> Window:
    """Return audio unlike that of other seeds."""
    return Window(tone(0.9, 200.0 + 400 * seed, 0.1 + 0.05 * seed) + noise(0.9, 0.01 * seed, seed), positions)


def start(limit: int = 30) -> Start:
    return Start((SOT, vocabulary().no_timestamps), 0, (), (), limit, is_timed=False, temperature=0.0, content=45)


def generate(slot: int, seed: int = 0, positions: int = 64, urgency: float = 0.0) -> Generate:
    return Generate(slot=slot, urgency=(0, urgency), window=window(seed, positions), start=start())


def search(slot: int, seed: int = 0) -> Search:
    return Search(slot=slot, urgency=(0, 0.0), window=window(seed), start=start(), beams=2)


def detect(slot: int, seed: int = 0) -> Detect:
    return Detect(slot=slot, urgency=(0, 0.0), window=window(seed), sot=SOT, tokens=(1, 2, 3))


def align(slot: int, seed: int = 0) -> Align:
    prompt = (SOT, vocabulary().no_timestamps)
    return Align(slot=slot, urgency=(0, 0.0), window=window(seed), prompt=prompt, texts=[[4, 5, 6], [7]], content=45)


def text(loop: DeviceLoop, job: Generate) -> tuple[int, ...]:
    loop.submit(job)
    return job.answer.result(PATIENCE_S).tokens


@cache
def alone(seed: int) -> tuple[int, ...]:
    """Return the text of an audio that has the device to itself."""
    made = DeviceLoop(FaultyDevice())
    found = text(made, generate(0, seed))
    made.close()
    return found


def held(device: FaultyDevice, loop: DeviceLoop, *jobs: AnyJob) -> None:
    """Submit jobs while the device is busy with another slot's, so that they are taken in together."""
    device.reached.clear()
    device.go_on.clear()
    busy = generate(SLOTS - 1, seed=90, positions=128)
    loop.submit(busy)
    assert device.reached.wait(PATIENCE_S)
    for job in jobs:
        loop.submit(job)
    device.go_on.set()


def test_texts_of_audio_that_differs_differ() -> None:
    assert len({alone(seed) for seed in range(SLOTS)}) == SLOTS


def test_many_threads_at_once_get_their_own_answers(loop: DeviceLoop) -> None:
    def work(slot: int) -> list[bool]:
        return [text(loop, generate(slot, seed)) == alone(seed) for seed in [*range(slot, 6), *range(slot)]]

    with ThreadPoolExecutor(SLOTS) as threads:
        assert all(all(right) for right in threads.map(work, range(SLOTS)))


def test_jobs_of_all_kinds_run_beside_each_other(device: FaultyDevice, loop: DeviceLoop) -> None:
    jobs = (generate(0, 1), search(1, 1), align(2, 1))
    held(device, loop, *jobs)

    assert jobs[0].answer.result(PATIENCE_S).tokens == alone(1)
    assert len(jobs[1].answer.result(PATIENCE_S).tokens) > 0
    aligned = jobs[2].answer.result(PATIENCE_S)
    assert [len(one.probabilities) for one in aligned] == [3, 1]
    # the end of the text has its place on the path, too
    assert [(one.path[0], one.path[-1]) for one in aligned] == [((0, 0), (3, 44)), ((0, 0), (1, 44))]
    found = detect(2)
    loop.submit(found)
    assert sum(found.answer.result(PATIENCE_S)) == pytest.approx(1.0)


def test_windows_of_one_length_are_encoded_together_the_most_urgent_first(
    device: FaultyDevice, loop: DeviceLoop
) -> None:
    jobs = [generate(0, urgency=3.0), generate(1, positions=192, urgency=1.0), generate(2, urgency=2.0)]
    held(device, loop, *jobs)
    for job in jobs:
        job.answer.result(PATIENCE_S)

    assert device.encoded == [(3,), (1,), (2, 0)]


def test_audio_that_is_in_its_slot_is_not_encoded_again(device: FaultyDevice, loop: DeviceLoop) -> None:
    first = text(loop, generate(0, 2))
    again = replace_window(generate(0, 2))
    assert text(loop, again) == first
    assert len(device.encoded) == 1


def replace_window(job: Generate) -> Generate:
    job.window = None
    return job


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("out of memory"),
        torch.OutOfMemoryError("out of memory"),
        ValueError("wrong"),
        IndexError("beyond"),
        MemoryError("none"),
    ],
)
@pytest.mark.parametrize(
    ("step", "make"),
    [
        ("encode", generate),
        ("begin", generate),
        ("advance", generate),
        ("detect", detect),
        ("align", align),
        ("search", search),
    ],
)
def test_what_fails_is_answered_with_its_error_and_the_next_is_served(
    device: FaultyDevice, loop: DeviceLoop, step: str, make: Callable[[int], AnyJob], error: Exception
) -> None:
    device.faults[step] = error
    failing = make(1)
    loop.submit(failing)

    assert failing.answer.exception(PATIENCE_S) is error
    assert text(loop, generate(1, 3)) == alone(3)


def test_a_window_that_fails_fails_no_window_of_another_length(device: FaultyDevice, loop: DeviceLoop) -> None:
    device.faults["encode"] = RuntimeError("out of memory")
    device.go_on.clear()
    jobs: list[AnyJob] = [generate(0, 0), generate(1, 1, urgency=1.0, positions=128), align(2)]
    loop.submit(jobs[0])
    assert device.reached.wait(PATIENCE_S)
    for job in jobs[1:]:
        loop.submit(job)
    device.go_on.set()

    assert isinstance(jobs[0].answer.exception(PATIENCE_S), RuntimeError)
    assert [job.answer.exception(PATIENCE_S) for job in jobs[1:]] == [None, None]


def test_a_text_that_cannot_be_begun_leaves_its_neighbours_alone(device: FaultyDevice, loop: DeviceLoop) -> None:
    jobs = [generate(slot, slot) for slot in range(3)]
    device.faults["begin"] = RuntimeError("out of memory")
    held(device, loop, *jobs)

    # the first that began is the one that kept the device busy
    assert [job.answer.exception(PATIENCE_S) for job in jobs] == [None] * 3
    assert [job.answer.result().tokens for job in jobs] == [alone(slot) for slot in range(3)]


def test_weights_of_nan_give_an_error_and_no_text() -> None:
    sound = checkpoint()
    broken = {name: tensor * torch.nan for name, tensor in sound.tensors.items()}
    made = DeviceLoop(FaultyDevice(replace(sound, tensors=broken)))
    jobs: list[AnyJob] = [generate(0), search(1)]
    for job in jobs:
        made.submit(job)

    for job in jobs:
        assert "NaN" in str(job.answer.exception(PATIENCE_S))
    made.close()


def test_audio_whose_energy_overflows_fails_alone_and_leaves_nothing_in_its_slot(
    device: FaultyDevice, loop: DeviceLoop
) -> None:
    overflowing, neighbour = generate(0), generate(1, 1)
    overflowing.window = Window(np.full(16_000, 1e30, np.float32), 64)
    held(device, loop, overflowing, neighbour)

    assert "NaN" in str(overflowing.answer.exception(PATIENCE_S))
    assert neighbour.answer.result(PATIENCE_S).tokens == alone(1)
    assert text(loop, generate(0, 2)) == alone(2)


def test_closing_ends_the_thread_and_may_be_done_again(device: FaultyDevice) -> None:
    before = threading.active_count()
    made = DeviceLoop(device)
    assert threading.active_count() == before + 1
    made.close()
    made.close()
    assert threading.active_count() == before


def test_a_job_after_the_end_is_refused(device: FaultyDevice) -> None:
    made = DeviceLoop(device)
    made.close()
    with pytest.raises(RuntimeError, match="ended"):
        made.submit(generate(0))


def test_jobs_behind_the_end_are_answered(device: FaultyDevice) -> None:
    made = DeviceLoop(device)
    jobs: list[AnyJob] = [generate(0), detect(1), search(2)]
    device.go_on.clear()
    made.submit(jobs[0])
    assert device.reached.wait(PATIENCE_S)
    closing = threading.Thread(target=made.close)
    closing.start()
    for job in jobs[1:]:
        made.submit(job)
    device.go_on.set()
    closing.join(PATIENCE_S)

    for job in jobs:
        assert isinstance(job.answer.exception(PATIENCE_S), RuntimeError | None)


@pytest.mark.parametrize(
    ("step", "make"),
    [
        ("encode", generate),
        ("begin", generate),
        ("advance", generate),
        ("detect", detect),
        ("align", align),
        ("search", search),
    ],
)
def test_nobody_waits_for_a_loop_that_failed(
    device: FaultyDevice, loop: DeviceLoop, step: str, make: Callable[[int], AnyJob]
) -> None:
    text(loop, generate(0))
    device.faults[step] = AttributeError("a mistake of ours")
    device.is_lost = True
    jobs = [make(1), make(0), generate(2)]
    device.go_on.clear()
    device.reached.clear()
    loop.submit(jobs[0])
    assert device.reached.wait(PATIENCE_S)
    for job in jobs[1:]:
        loop.submit(job)
    device.go_on.set()

    for job in jobs:
        assert isinstance(job.answer.exception(PATIENCE_S), RuntimeError)
    loop.close()
    with pytest.raises(RuntimeError, match="ended"):
        loop.submit(generate(3))


def test_a_device_that_is_lost_and_cannot_even_stop_answers_all(device: FaultyDevice, loop: DeviceLoop) -> None:
    lost = RuntimeError("CUDA error: unspecified launch failure")
    device.faults |= {"advance": lost, "stop": lost}
    device.is_lost = True
    device.rows_that_fail = 3
    jobs = [generate(0), generate(1), generate(2)]
    held(device, loop, *jobs)

    for job in jobs:
        assert isinstance(job.answer.exception(PATIENCE_S), RuntimeError)


def test_nobody_waits_for_a_warm_up_that_failed(device: FaultyDevice) -> None:
    device.faults["warm_up"] = RuntimeError("out of memory")
    device.go_on.clear()
    made = DeviceLoop(device)
    made.submit(job := generate(0))
    device.go_on.set()

    assert isinstance(job.answer.exception(PATIENCE_S), RuntimeError)
    made.close()


def text_again(loop: DeviceLoop, job: Generate) -> tuple[int, ...]:
    """Return the text of a job once the loop has restarted."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not loop.is_usable:
        assert time.monotonic() < deadline_s
    return text(loop, job)


@pytest.mark.parametrize("step", ["encode", "begin", "advance"])
def test_a_loop_that_failed_goes_on_with_a_device_that_was_reset(
    device: FaultyDevice, loop: DeviceLoop, step: str
) -> None:
    before = device.weights
    device.faults[step] = AttributeError("a mistake of ours")
    failing = generate(1)
    loop.submit(failing)

    assert "restarting: a mistake of ours" in str(failing.answer.exception(PATIENCE_S))
    assert text_again(loop, generate(1, 3)) == alone(3)
    assert device.resets == 1
    assert device.weights is before


def test_jobs_are_refused_while_the_loop_restarts(device: FaultyDevice, loop: DeviceLoop) -> None:
    device.may_reset.clear()
    device.faults["advance"] = AttributeError("a mistake of ours")
    failing = generate(1)
    loop.submit(failing)
    assert failing.answer.exception(PATIENCE_S)

    assert not loop.is_usable
    with pytest.raises(RuntimeError, match="is restarting: a mistake of ours"):
        loop.submit(generate(0))
    device.may_reset.set()
    assert text_again(loop, generate(0, 2)) == alone(2)  # usable again


@pytest.mark.parametrize("step", ["warm_up", "reset"])
def test_a_device_that_cannot_be_reset_ends_the_loop(device: FaultyDevice, loop: DeviceLoop, step: str) -> None:
    text(loop, generate(0))
    device.faults |= {"advance": RuntimeError("CUDA error: lost"), step: RuntimeError("CUDA error: lost")}
    device.is_lost = True
    failing = generate(1)
    loop.submit(failing)
    assert failing.answer.exception(PATIENCE_S)

    loop._thread.join(PATIENCE_S)
    assert not loop._thread.is_alive()
    assert device.resets == 2
    assert not loop.is_usable
    with pytest.raises(RuntimeError, match="has ended: CUDA error: lost"):
        loop.submit(generate(0))


def test_failures_with_answers_in_between_do_not_end_the_loop(device: FaultyDevice, loop: DeviceLoop) -> None:
    for failures in range(5):
        device.faults["advance"] = AttributeError("a mistake of ours")
        failing = generate(1)
        loop.submit(failing)
        assert failing.answer.exception(PATIENCE_S)
        assert text_again(loop, generate(1, 3)) == alone(3)
        assert device.resets == failures + 1


def test_a_device_is_reset_after_an_error_that_leaves_it_lost(device: FaultyDevice, loop: DeviceLoop) -> None:
    device.faults["encode"] = RuntimeError("CUDA error: unspecified launch failure")
    failing = generate(1)
    loop.submit(failing)

    assert "unspecified" in str(failing.answer.exception(PATIENCE_S))
    deadline_s = time.monotonic() + PATIENCE_S
    while not device.resets:  # the job was answered before the loop restarts
        assert time.monotonic() < deadline_s
    assert text_again(loop, generate(1, 3)) == alone(3)
    assert device.resets == 1


@pytest.mark.parametrize("make", [generate, detect, align, search])
def test_audio_that_was_in_a_slot_before_a_reset_is_not_used(
    device: FaultyDevice, loop: DeviceLoop, make: Callable[[int], AnyJob]
) -> None:
    text(loop, generate(0, 2))
    device.faults["encode"] = AttributeError("a mistake of ours")
    loop.submit(failing := generate(1))
    assert failing.answer.exception(PATIENCE_S)
    text_again(loop, generate(1))

    orphan = make(0)
    orphan.window = None
    loop.submit(orphan)
    assert "slot 0 has no audio" in str(orphan.answer.exception(PATIENCE_S))
    assert device.resets == 1


def test_a_reset_that_had_no_memory_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FaultyDevice()
    with monkeypatch.context() as patch:
        patch.setattr(device_module, "Slots", raise_out_of_memory)
        for _ in range(2):
            with pytest.raises(torch.OutOfMemoryError):
                device.reset()
    device.reset()
    made = DeviceLoop(device)
    assert text(made, generate(0, 1)) == alone(1)
    made.close()


def raise_out_of_memory(*_arguments: object) -> None:
    raise torch.OutOfMemoryError("out of memory")
