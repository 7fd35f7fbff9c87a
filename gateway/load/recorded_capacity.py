"""The file in which `livecue capacity` records how many streams an engine holds, and from which a gateway reads it."""

import logging
from pathlib import Path

import msgspec

from decoder.cpu_cores import core_count
from decoder.engine import EngineInfo
from gateway.errors import ConfigurationError
from gateway.limit_settings import LimitSettings
from gateway.sqlite import data_path

__all__ = ["RecordedCapacity", "capacity_path", "read_capacities", "record_capacity", "recorded_streams"]

logger = logging.getLogger("livecue.gateway")


class RecordedCapacity(msgspec.Struct, frozen=True):
    """How many streams one engine holds on one machine.

    Attributes:
        engine, model, device: as of `EngineInfo`.
        cpus: that the process could use; a container with fewer holds fewer streams.
        streams: that met the condition, ≥ 0.
        condition: which they met, in words.
        measured_at: ISO 8601, with the time zone.
    """

    engine: str
    model: str
    device: str
    cpus: int
    streams: int
    condition: str
    measured_at: str

    def is_of(self, info: EngineInfo) -> bool:
        """Return whether it was measured with this engine, with as many CPUs as the process has now."""
        described = info.engine, info.model, info.device, core_count()
        return (self.engine, self.model, self.device, self.cpus) == described

    @classmethod
    def of(cls, info: EngineInfo, streams: int, condition: str, measured_at: str) -> "RecordedCapacity":
        """Return what was measured with an engine on this machine."""
        return cls(info.engine, info.model, info.device, core_count(), streams, condition, measured_at)


def capacity_path(limits: LimitSettings) -> Path:
    """Return the path of the file, which need not exist."""
    return limits.capacity_file or data_path("capacity.json")


def read_capacities(path: Path) -> tuple[RecordedCapacity, ...]:
    """Return all records of a file; none if there is no such file.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[RecordedCapacity, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"capacity file {path}: {error}; measure again with 'livecue capacity'") from error


def record_capacity(path: Path, info: EngineInfo, measured: RecordedCapacity) -> None:
    """Write a record, in place of an earlier one of the same engine.

    Raises:
        ConfigurationError: the file cannot be read or written.
    """
    others = tuple(record for record in read_capacities(path) if not record.is_of(info))
    partial = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(msgspec.json.format(msgspec.json.encode((*others, measured))))
        partial.replace(path)
    except OSError as error:
        raise ConfigurationError(f"capacity file {path}: {error.strerror or error}") from error


def recorded_streams(limits: LimitSettings, info: EngineInfo) -> int | None:
    """Return how many streams were measured for an engine on this machine; None: it was not measured.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    path = capacity_path(limits)
    measured = next((record for record in read_capacities(path) if record.is_of(info) and record.streams), None)
    if measured is None:
        return None
    logger.info("capacity as measured streams=%d at=%s file=%s", measured.streams, measured.measured_at, path)
    return measured.streams
