"""examples/stream_file.py, and what all examples have in common."""

from pathlib import Path

import pytest

from decoder.engines.scripted import ScriptedEngine
from tests.examples.running import EXAMPLES, lines_of, write_recording
from tests.servers import serving

SCRIPTS = sorted(path for path in EXAMPLES.iterdir() if path.suffix in {".py", ".mjs"})
MAX_LINES = 40


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_an_example_is_short_listed_and_tested(script: Path) -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    assert len(script.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
    assert f"]({script.name})" in listed
    assert Path(__file__).with_name(f"test_{script.stem}.py").is_file()


async def test_each_caption_is_printed_with_its_time(tmp_path: Path) -> None:
    async with serving(ScriptedEngine()) as served:
        captions = await lines_of("stream_file.py", write_recording(tmp_path), served.url)

    assert [line.partition("s  ")[2].split()[0] for line in captions] == ["one", "seven"]
    assert captions[0].startswith("   0.00 s")
