"""What streams play, from a test set; and how much audio that is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from clients.bench import result
from clients.bench.concatenation import Clip
from clients.bench.reference import Reference, ReferenceWord
from gateway.cli import bench_material
from gateway.cli.bench_material import cost_text, silent_material, spoken_material
from gateway.cli.bench_options import BenchOptions
from gateway.errors import ConfigurationError

RATE_HZ = 8_000


@dataclass(frozen=True)
class FakeRecording:
    reference: Reference

    def clip(self, sample_rate_hz: int) -> Clip:
        return Clip(self.reference, self.reference.recording.encode())


@dataclass(frozen=True)
class FakeTestset:
    speech: tuple[FakeRecording, ...]
    speechless: tuple[FakeRecording, ...] = ()
    notes: tuple[str, ...] = ()

    def entry(self) -> result.Testset:
        return result.Testset("fake", (), "", "", "")


def recording(name: str, seconds: float = 30.0) -> FakeRecording:
    return FakeRecording(Reference(name, "en", seconds, (ReferenceWord("a", 0.0, 1.0, True),)))


SET = FakeTestset((recording("a"), recording("b"), recording("c", 60.0)), (recording("rain", 12.0),))
OPTIONS = BenchOptions("ws://x", "auto", Path("audio"), counts=(1, 2))


@pytest.fixture(autouse=True)
def _without_joining(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each stream play one recording: joining them has tests of its own."""

    def first_clip(clips: Sequence[Clip], sample_rate_hz: int) -> Clip:
        return clips[0]

    monkeypatch.setattr(bench_material, "concatenate", first_clip)
    monkeypatch.setattr(bench_material, "rotation", lambda references, first, least_s: [first])


def test_a_stream_begins_where_the_one_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_material, "rotation", lambda references, first, least_s: [first, (first + 1) % 3])
    material = spoken_material(SET, OPTIONS, RATE_HZ)
    assert [passage.recording for passage in material.passages] == ["a", "c"]


def test_there_are_as_many_passages_as_streams_have_use_for() -> None:
    material = spoken_material(SET, OPTIONS, RATE_HZ)
    assert [passage.recording for passage in material.passages] == ["a", "b"]
    assert set(material.references) == {"a", "b"}
    assert material.sample_rate_hz == RATE_HZ


def test_the_search_for_capacity_has_use_for_all_recordings() -> None:
    options = replace(OPTIONS, finds_capacity=True, slo=("a<=1",))
    assert len(spoken_material(SET, options, RATE_HZ).passages) == 3


def test_a_test_set_without_speech_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no recording with speech"):
        spoken_material(FakeTestset(()), OPTIONS, RATE_HZ)


def test_silence_is_generated_and_taken_from_the_test_set() -> None:
    material = silent_material(SET, RATE_HZ)
    assert [passage.recording for passage in material.passages] == ["silence", "noise", "music", "rain"]
    assert set(material.references) == {"silence", "noise", "music", "rain"}


def test_the_cost_is_the_audio_of_all_streams_of_all_loads() -> None:
    material = spoken_material(SET, OPTIONS, RATE_HZ)
    assert cost_text([(material, (1, 2))], OPTIONS) == "1.5 minutes of audio in up to 2 streams at once"
    cut = replace(OPTIONS, cut_every_s=20.0)
    assert cost_text([(material, (1, 2))], cut).startswith("3.0 minutes")
    searching = replace(OPTIONS, finds_capacity=True, slo=("a<=1",))
    assert cost_text([(material, (1,))], searching).endswith("and more while capacity is searched for")
