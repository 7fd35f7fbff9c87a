"""The comparison of engines: its measurements and tables."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from benchmarks.engines import NAIVE, Costs, Measured, NaiveWhisper, cpu_of, engine_of, print_engines, settings_of
from benchmarks.sets import Recording, Voice
from benchmarks.tally import Figures
from decoder.engines.scripted import CostModel, ScriptedEngine
from decoder.engines.whisper.engine import backend
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, Word
from decoder.whisper.engine import WhisperEngine
from gateway.settings import load_settings
from tests.audio import noise
from tests.contracts.engines import request
from tests.meeting import RECORDING


def measured(engine: str, words: int = 200, errors: int = 9) -> Measured:
    costs = Costs(0.5, 60.0, 240.0, 75.0, {1: 0.31, 8: 0.22})
    unknown = dict.fromkeys(Figures.__dataclass_fields__)
    figures = {
        **unknown,
        "weights": "w",
        "set": "noisy",
        "arm": "shipped",
        "audio_s": 60.0,
        "cpu_s_per_s": 0.3,
        "scores": (),
        "words": words,
        "errors": errors,
        "withdrawn": 0.125,
        "changed": 0.034,
        "shown_p50_s": 0.45,
    }
    return Measured(engine, costs, [msgspec.convert(figures, Figures)])


def test_an_engine_is_named_with_its_directory() -> None:
    assert engine_of("whisper:/models/tiny.en") == ("whisper", Path("/models/tiny.en"))


@pytest.mark.parametrize("text", ["whisper", ":/models", "whisper:"])
def test_an_engine_without_a_name_or_a_directory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected NAME:DIRECTORY"):
        engine_of(text)


def test_the_results_of_a_process_are_read_by_its_parent() -> None:
    one = measured("whisper:/models/tiny.en")
    assert msgspec.json.decode(msgspec.json.encode(one), type=Measured) == one


def test_engines_are_listed_in_each_set(capsys: pytest.CaptureFixture[str]) -> None:
    print_engines([measured("whisper:/models/tiny.en"), measured("moonshine:/models/tiny", errors=20)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["noisy", "whisper", "tiny.en", "4.5", "9", "0.12", "3.4", "0.45", "–", "–", "–"] in lines
    assert ["noisy", "moonshine", "tiny", "10.0", "20", "0.12", "3.4", "0.45", "–", "–", "–"] in lines
    assert ["moonshine", "tiny", "0.31", "0.22", "240.00", "60.00", "75.00", "0.50"] in lines


def test_without_speech_words_are_counted_without_a_share(capsys: pytest.CaptureFixture[str]) -> None:
    print_engines([measured("whisper:/models/tiny.en", words=0, errors=2)])
    assert ["noisy", "whisper", "tiny.en", "–", "2", "0.12", "3.4", "0.45", "–", "–", "–"] in [
        line.split() for line in capsys.readouterr().out.splitlines()
    ]


async def test_the_cpu_of_several_streams_is_that_of_a_second_of_one() -> None:
    recording = Recording("meeting.flac", RECORDING, "en", (Voice("hello"),))
    engine = ScriptedEngine()
    share = await cpu_of(engine, load_settings({}), recording, 2, CostModel(batch_s=0.15))
    assert 0 < share < 1


def test_naive_use_of_whisper_has_full_windows_and_no_eager_finals_whatever_else_is_set() -> None:
    settings = settings_of(NAIVE, Path("/models/tiny.en"), {"engine": {"final_beam_size": "1"}})
    assert settings.engine.name == "whisper"
    assert (settings.engine.partial_window, settings.engine.final_beam_size) == ("full", 1)
    assert not settings.session.eager_finals


async def test_naive_use_of_whisper_decodes_committed_words_again(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[DecodeRequest] = []

    async def decode(engine: WhisperEngine, batch: Sequence[DecodeRequest]) -> list[EngineError]:
        decoded.extend(batch)
        return []

    monkeypatch.setattr(WhisperEngine, "decode", decode)
    settings = EngineSettings(name="whisper", model="tiny.en")
    await NaiveWhisper(settings, backend(settings)).decode([request(noise(1.0), prefix=(Word(" so", 0, 100, 0.9),))])
    assert [each.prefix for each in decoded] == [()]
