"""examples/benchmark.py."""

import re
from pathlib import Path

from decoder.engines.scripted import CostModel, ScriptedEngine
from tests.examples.running import lines_of, write_recording
from tests.servers import serving


async def test_the_finals_of_all_streams_are_measured(tmp_path: Path) -> None:
    slow = ScriptedEngine(cost=CostModel(batch_s=1.0))
    async with serving(slow) as served:
        (line,) = await lines_of("benchmark.py", write_recording(tmp_path), "3", served.url)

    measured = re.fullmatch(r"6 finals: median (\d+\.\d\d) s, slowest (\d+\.\d\d) s", line)
    assert measured is not None, line
    assert 0.5 < float(measured[1]) <= float(measured[2]) < 10
