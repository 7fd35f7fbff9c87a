"""The division of CPU cores among batches decoded in parallel."""

import pytest

from decoder import cpu_cores
from decoder.cpu_cores import shared_cores
from decoder.settings import EngineSettings


@pytest.mark.parametrize(
    ("cores", "settings", "expected"),
    [
        (1, EngineSettings(), (1, 1)),
        (2, EngineSettings(), (2, 1)),
        (8, EngineSettings(), (2, 4)),
        (8, EngineSettings(workers=3), (3, 2)),
        (2, EngineSettings(workers=4), (4, 1)),
        (8, EngineSettings(workers=1, cpu_threads=5), (1, 5)),
    ],
)
def test_cores_are_divided_among_the_workers(
    monkeypatch: pytest.MonkeyPatch, cores: int, settings: EngineSettings, expected: tuple[int, int]
) -> None:
    monkeypatch.setattr(cpu_cores, "core_count", lambda: cores)
    assert shared_cores(settings) == expected
