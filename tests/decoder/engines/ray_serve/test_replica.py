"""One replica, without Ray."""

import pytest

from decoder.engine import EngineInfo
from decoder.engine_process.messages import Answered, Decode, Failed, Forget, Start, Started
from decoder.engines.ray_serve.replica import Replica, frame_of, report_of
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineBusy, EngineError, EngineFailed, Hypothesis
from tests.requests import request

START = frame_of(Start(EngineSettings("scripted"), 20))


FORGOTTEN: list[str] = []


class FaultyEngine:
    """Raises in `decode`, and is unusable."""

    info = EngineInfo("faulty", "", "cpu", is_usable=lambda: False)

    async def decode(self, batch: list[DecodeRequest]) -> list[Hypothesis | EngineError]:
        raise EngineBusy("later")

    def forget(self, session_id: str) -> None:
        FORGOTTEN.append(session_id)


@pytest.fixture
def faulty() -> Replica:
    FORGOTTEN.clear()
    replica = Replica(START)
    replica.engine = FaultyEngine()  # type: ignore[assignment]  # only what these tests call
    return replica


async def test_replica_answers_with_its_name_and_the_number_of_the_call() -> None:
    replica = Replica(START)
    await replica.reconfigure(None)

    name, frame = await replica.decode(frame_of(Decode(7, (request("a"),))))

    report = report_of(frame)
    assert isinstance(report, Answered)
    assert (name, report.number, len(report.outcomes)) == (replica.name, 7, 1)


async def test_replica_describes_its_engine() -> None:
    report = report_of(await Replica(START).describe())

    assert isinstance(report, Started)
    assert (report.engine, report.max_batch) == ("scripted", 16)


async def test_error_of_the_engine_keeps_its_class(faulty: Replica) -> None:
    _, frame = await faulty.decode(frame_of(Decode(7, (request("a"),))))

    report = report_of(frame)
    assert isinstance(report, Failed)
    assert (report.number, type(report.failure.as_error())) == (7, EngineBusy)


def test_unusable_engine_fails_the_health_check(faulty: Replica) -> None:
    Replica(START).check_health()
    with pytest.raises(EngineFailed, match="unusable"):
        faulty.check_health()


async def test_poll_forgets_sessions_and_says_whether_the_engine_is_usable(faulty: Replica) -> None:
    assert not await faulty.poll(("a", "b"))
    assert FORGOTTEN == ["a", "b"]
    assert await Replica(START).poll(())


async def test_other_messages_are_refused() -> None:
    with pytest.raises(ValueError, match="a Forget: expected Start"):
        Replica(frame_of(Forget("a")))
    with pytest.raises(ValueError, match="a Forget: expected Decode"):
        await Replica(START).decode(frame_of(Forget("a")))


async def test_truncated_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        report_of((await Replica(START).describe())[:-1])
