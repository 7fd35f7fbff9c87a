"""examples/voice_agent.py: one answer for each turn, whatever was drafted at pauses."""

from pathlib import Path

from decoder.engines.scripted import ScriptedEngine, spoken_count
from decoder.types import DecodeRequest, Hypothesis, RequestKind
from gateway.settings import load_settings
from tests.examples.running import lines_of, write_recording
from tests.servers import serving


async def test_the_agent_answers_each_turn_once(tmp_path: Path) -> None:
    recording = write_recording(tmp_path)
    async with serving(ScriptedEngine()) as served:
        answers = await lines_of("voice_agent.py", recording, served.url)

    assert [line.split("'")[1].split()[0] for line in answers] == ["one", "seven"]


async def test_a_draft_is_dropped_when_speech_resumes(tmp_path: Path) -> None:
    requested: list[RequestKind] = []

    def script(request: DecodeRequest) -> Hypothesis:
        requested.append(request.kind)
        return spoken_count(request)

    recording = write_recording(tmp_path)
    patient = load_settings({"segmenter": {"silence_ms": 1_500}})  # the pause of 1 s ends nothing
    async with serving(ScriptedEngine(script), patient) as served:
        answers = await lines_of("voice_agent.py", recording, served.url)

    assert RequestKind.EAGER in requested
    assert len(answers) == 1
    assert answers[0].startswith("agent: you said 'one two three")
    assert "seven" in answers[0]
