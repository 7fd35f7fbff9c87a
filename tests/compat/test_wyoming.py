"""Programs that speak Wyoming: Home Assistant's own component, and wyoming-bench."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from decoder.engine import Engine
from decoder.engine_selection import create_engine
from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from tests.compatibility import COMMANDS, HOME_ASSISTANT, exercises
from tests.meeting import TALK, TALK_BEGINNING, TALK_BEGINNING_S, spoken_frames, wrong_share
from tests.servers import EMBEDDED, serving
from tests.sessions import failing_finals
from tests.uploading import wav

pytestmark = pytest.mark.timeout(180)

SETTINGS = load_settings({**EMBEDDED, "server": {"wyoming": "tcp://127.0.0.1:0"}})

SPOKEN = b"".join(spoken_frames(TALK_BEGINNING_S, TALK))

with_home_assistant = pytest.mark.skipif(not HOME_ASSISTANT.exists(), reason="no Home Assistant")


async def spoken_to_home_assistant(engine: Engine, language: str) -> Mapping[str, object]:
    """Return what Home Assistant's entity makes of the talk's beginning."""
    script = Path(__file__).parent / "home_assistant.py"
    async with serving(engine, SETTINGS) as served:
        host, _, port = served.wyoming_url.removeprefix("tcp://").partition(":")
        finished = await anyio.run_process([str(HOME_ASSISTANT), str(script), host, port, language], input=SPOKEN)
    answer: Mapping[str, object] = json.loads(finished.stdout)
    return answer


@with_home_assistant
@exercises("homeassistant", "the component's speech-to-text entity: describe, its languages, real speech")
async def test_home_assistant_has_the_words() -> None:
    answer = await spoken_to_home_assistant(create_engine(SETTINGS.engine), "en")
    assert answer["platforms"] == ["stt"]
    assert answer["is_supported"]
    assert answer["state"] == "success"
    assert wrong_share(str(answer["text"]), TALK_BEGINNING.split()) <= 0.1


@with_home_assistant
@exercises("homeassistant", "the component's speech-to-text entity: a failing engine is its error, not half a command")
async def test_home_assistant_has_an_error_where_words_are_missing() -> None:
    answer = await spoken_to_home_assistant(ScriptedEngine(failing_finals), "en")
    assert (answer["state"], answer["text"]) == ("error", None)


@pytest.mark.skipif(shutil.which("wyoming-bench", path=COMMANDS) is None, reason="no wyoming-bench")
@exercises("wyoming-bench", "stt: both modes, real speech, its own word error rate; info")
async def test_wyoming_bench_finds_few_mistakes(tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(wav(SPOKEN))
    (tmp_path / "talk.txt").write_text(TALK_BEGINNING, encoding="utf-8")
    bench = shutil.which("wyoming-bench", path=COMMANDS) or ""
    once = ["--rounds", "1", "--warmup", "0", "--timeout", "150"]
    async with serving(create_engine(SETTINGS.engine), SETTINGS) as served:
        address = served.wyoming_url.removeprefix("tcp://")
        info = await anyio.run_process([bench, "info", address])
        finished = await anyio.run_process([bench, "stt", address, "--corpus", str(tmp_path), *once])
    report = finished.stdout.decode()
    modes = re.findall(r"^\[(\w+)\] ok=(\d+) fail=(\d+)$", report, re.MULTILINE)
    rates = re.findall(r"Accuracy +WER=([\d.]+)%", report)
    assert "livecue" in info.stdout.decode()
    assert modes == [("non_streaming", "1", "0"), ("streaming", "1", "0")], report
    assert [float(rate) <= 10 for rate in rates] == [True, True], report
