"""The file of measured capacities."""

from pathlib import Path

import pytest

from decoder.engine import EngineInfo
from gateway.errors import ConfigurationError
from gateway.limit_settings import LimitSettings
from gateway.load import recorded_capacity
from gateway.load.recorded_capacity import RecordedCapacity, read_capacities, record_capacity, recorded_streams

TINY, BASE = EngineInfo("whisper", "tiny", "cpu"), EngineInfo("whisper", "base", "cpu")


def measured(info: EngineInfo, streams: int) -> RecordedCapacity:
    return RecordedCapacity.of(info, streams, "finals in 1.5 s", "2026-01-01T00:00:00+00:00")


def limits(path: Path) -> LimitSettings:
    return LimitSettings(capacity_file=path / "new" / "capacity.json")


def record(path: Path, info: EngineInfo, streams: int) -> None:
    file = limits(path).capacity_file
    assert file is not None
    record_capacity(file, info, measured(info, streams))


def test_a_gateway_reads_what_was_measured_for_its_own_engine(tmp_path: Path) -> None:
    assert recorded_streams(limits(tmp_path), TINY) is None
    record(tmp_path, TINY, 8)
    record(tmp_path, BASE, 3)
    assert [recorded_streams(limits(tmp_path), info) for info in (TINY, BASE)] == [8, 3]
    assert recorded_streams(limits(tmp_path), EngineInfo("whisper", "tiny", "cuda")) is None


def test_a_new_measurement_replaces_that_of_the_same_engine(tmp_path: Path) -> None:
    record(tmp_path, TINY, 8)
    record(tmp_path, TINY, 9)
    assert recorded_streams(limits(tmp_path), TINY) == 9
    assert len(read_capacities(tmp_path / "new" / "capacity.json")) == 1


def test_it_is_of_no_use_with_other_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path, TINY, 8)
    monkeypatch.setattr(recorded_capacity, "core_count", lambda: 999)
    assert recorded_streams(limits(tmp_path), TINY) is None


def test_an_engine_that_held_no_stream_is_left_to_the_forecast(tmp_path: Path) -> None:
    record(tmp_path, TINY, 0)
    assert recorded_streams(limits(tmp_path), TINY) is None


def test_a_broken_file_is_reported_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "capacity.json"
    file.write_text('[{"engine": 3}]')
    with pytest.raises(ConfigurationError, match=r"capacity\.json: .*measure again"):
        recorded_streams(LimitSettings(capacity_file=file), TINY)


def test_a_file_that_cannot_be_written_is_reported_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"capacity\.json"):
        record_capacity(tmp_path / "file" / "capacity.json", TINY, measured(TINY, 1))
