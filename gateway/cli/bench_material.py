"""What the streams of a benchmark play, and what it may cost."""

from collections.abc import Sequence
from typing import Protocol

from clients.bench import result
from clients.bench.capacity_run import Material
from clients.bench.concatenation import Clip, concatenate, rotation
from clients.bench.load import Passage
from clients.bench.reference import Reference
from clients.bench.speechless import speechless
from gateway.cli.bench_options import BenchOptions
from gateway.errors import ConfigurationError

__all__ = ["PlayableRecording", "PlayableTestset", "cost_text", "silent_material", "spoken_material"]

_MOST_PASSAGES = 64
"""Passages in memory, of some megabytes each; further streams begin again with the first."""


class PlayableRecording(Protocol):
    """A recording, as of `clients.bench.testset.TestRecording`."""

    @property
    def reference(self) -> Reference:
        """What is spoken in it."""

    def clip(self, sample_rate_hz: int) -> Clip:
        """Return it with its audio at a rate."""


class PlayableTestset(Protocol):
    """A test set, as of `clients.bench.testset.Testset`."""

    @property
    def speech(self) -> Sequence[PlayableRecording]:
        """Recordings in which somebody speaks."""

    @property
    def speechless(self) -> Sequence[PlayableRecording]:
        """Recordings in which nobody speaks."""

    @property
    def notes(self) -> Sequence[str]:
        """What is left out, and why."""

    def entry(self) -> result.Testset:
        """Return its entry in a result."""


def spoken_material(testset: PlayableTestset, options: BenchOptions, sample_rate_hz: int) -> Material:
    """Return what streams with speech play: each begins after the last recording of the stream before it.

    Raises:
        ConfigurationError: there is no recording with speech.
    """
    recordings = testset.speech
    if not recordings:
        raise ConfigurationError(f"--audio {options.audio}: no recording with speech")
    references = [recording.reference for recording in recordings]
    most = len(recordings) if options.finds_capacity else min(max(options.counts), len(recordings))
    passages, spoken, first = [], dict[str, Reference](), 0
    for _ in range(min(most, _MOST_PASSAGES)):
        places = rotation(references, first, options.seconds or 0.0)
        first = places[-1] + 1
        clip = concatenate([recordings[place].clip(sample_rate_hz) for place in places], sample_rate_hz)
        passages.append(Passage(clip.reference.recording, clip.pcm))
        spoken[clip.reference.recording] = clip.reference
    return Material(tuple(passages), spoken, sample_rate_hz)


def silent_material(testset: PlayableTestset, sample_rate_hz: int) -> Material:
    """Return audio in which nobody speaks: that of the test set, and generated silence, noise and music."""
    pairs = list(speechless(sample_rate_hz))
    for recording in testset.speechless:
        clip = recording.clip(sample_rate_hz)
        pairs.append((Passage(clip.reference.recording, clip.pcm), clip.reference))
    references = {reference.recording: reference for _, reference in pairs}
    return Material(tuple(passage for passage, _ in pairs), references, sample_rate_hz)


def cost_text(materials: Sequence[tuple[Material, Sequence[int]]], options: BenchOptions) -> str:
    """Return how much audio will be sent, for people who pay for it.

    Args:
        materials: each with its loads.
        options: of the benchmark.
    """
    audio_s = sum(_audio_s(material, count) for material, counts in materials for count in counts)
    if options.cut_every_s is not None:
        audio_s *= 2  # each load is played without cuts, too
    streams = max(count for _, counts in materials for count in counts)
    more = ", and more while capacity is searched for" if options.finds_capacity else ""
    return f"{audio_s / 60:.1f} minutes of audio in up to {streams} streams at once{more}"


def _audio_s(material: Material, count: int) -> float:
    passages = material.passages
    return sum(material.references[passages[number % len(passages)].recording].duration_s for number in range(count))
