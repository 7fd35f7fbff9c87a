"""Accuracy, delay and cost of the speech detectors.

On far-field meetings with labelled turns: precision, recall and F1 of the windows, delay of the onsets, CPU time. On
recordings without speech: false alarms. The detectors alternate in each repeat, so that a busy machine slows all.
"""

import argparse
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.recordings import SHARED_AUDIO, Turn, read_recording, read_rttm
from benchmarks.report import print_table, write_json
from vad.audio import SAMPLE_RATE_HZ, Float32, ms_to_samples, s_to_samples
from vad.detector import DETECTORS, SpeechDetector, create_detector
from vad.events import SpeechStarted
from vad.segmenter import Segmenter
from vad.settings import SegmenterSettings

SPEECHLESS = ("noise_*.flac", "sil_*.flac", "music_*.flac")
SETTINGS = SegmenterSettings()
ONSET_GAP_SAMPLES = s_to_samples(0.5)
"""Silence required before an onset: the segmenter's own rule for a new utterance."""

ONSET_SEARCH_SAMPLES = s_to_samples(2.0)
"""An onset not detected within this time counts as missed, not late."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Accuracy of a detector: of the windows, of the onsets, and without speech."""

    precision: float
    recall: float
    f1: float
    onset_delay_p50_ms: float | None
    onsets_heard: int
    onsets: int
    false_windows: float
    false_utterances_per_min: float


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time of a detector, in ms per second of audio, and relative to Silero's in the same repeat."""

    cpu_ms_per_s: float
    cpu_ms_per_s_least: float
    cpu_ms_per_s_most: float
    relative_to_silero: float


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, default=SHARED_AUDIO, help="folder with vad_ami/ and labels/ami.rttm")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()

    labels = read_rttm(options.audio / "labels" / "ami.rttm")
    meetings = {path.stem: read_recording(path) for path in sorted((options.audio / "vad_ami").glob("*.flac"))}
    speechless = [read_recording(path) for pattern in SPEECHLESS for path in sorted(options.audio.glob(pattern))]
    qualities = {name: measure_quality(name, meetings, labels, speechless) for name in DETECTORS}
    costs = {frame_ms: measure_costs(list(meetings.values()), frame_ms, options.repeats) for frame_ms in (20, 100)}

    print_tables(qualities, costs)
    figures = {
        "quality": {name: asdict(quality) for name, quality in qualities.items()},
        "cost": {f"{ms} ms": {name: asdict(cost) for name, cost in table.items()} for ms, table in costs.items()},
    }
    write_json(options.json, "vad", figures)


def measure_quality(
    name: str, meetings: dict[str, Float32], labels: dict[str, list[Turn]], speechless: list[Float32]
) -> Quality:
    """Return the accuracy of a detector on the meetings, and its false alarms elsewhere."""
    detected, true, delays_ms, onset_count = [], [], [], 0
    for meeting, audio in meetings.items():
        speech = speech_samples(labels[meeting], len(audio))
        windows, probabilities = score(create_detector(name), audio)
        detected.append(probabilities >= SETTINGS.onset_threshold)
        true.append(speech[: windows.size].reshape(windows.shape).mean(axis=1) >= 0.5)
        onsets = onset_samples(speech)
        onset_count += len(onsets)
        delays_ms += onset_delays_ms(onsets, utterance_starts(windows, probabilities))
    precision, recall, f1 = scores(np.concatenate(detected), np.concatenate(true))
    false_windows, false_utterances = false_alarms(name, speechless)
    return Quality(
        precision=precision,
        recall=recall,
        f1=f1,
        onset_delay_p50_ms=median(delays_ms) if delays_ms else None,
        onsets_heard=len(delays_ms),
        onsets=onset_count,
        false_windows=false_windows,
        false_utterances_per_min=false_utterances,
    )


def score(detector: SpeechDetector, audio: Float32) -> tuple[Float32, Float32]:
    """Return the windows of a recording and their probabilities."""
    count = len(audio) // detector.window_samples
    windows = audio[: count * detector.window_samples].reshape(count, -1)
    return windows, detector.probabilities(windows)


def utterance_starts(windows: Float32, probabilities: Float32) -> list[int]:
    """Return the samples at which the segmenter reports the start of speech."""
    segmenter = Segmenter(SETTINGS, windows.shape[1])
    scored = zip(windows, probabilities.tolist(), strict=True)
    events = [event for window, probability in scored for event in segmenter.push(window, probability)]
    return [event.audio_end_sample for event in events if isinstance(event, SpeechStarted)]


def speech_samples(turns: list[Turn], count: int) -> NDArray[np.bool_]:
    """Return bool[count], true for samples with speech."""
    speech = np.zeros(count, bool)
    for turn in turns:
        speech[turn.start_sample : turn.end_sample] = True
    return speech


def onset_samples(speech: NDArray[np.bool_]) -> list[int]:
    """Return the samples at which speech begins after a silence."""
    edges = np.flatnonzero(np.diff(speech.astype(np.int8), prepend=0, append=0))
    starts, ends = edges[0::2], edges[1::2]
    gaps = starts - np.concatenate([[0], ends[:-1]])
    return [int(start) for start, gap in zip(starts, gaps, strict=True) if gap >= ONSET_GAP_SAMPLES]


def onset_delays_ms(onsets: list[int], starts: list[int]) -> list[float]:
    """Return the delays from onsets to their detection, without missed ones."""
    delays = []
    for onset, limit in pairwise([*onsets, 2**62]):
        found = [start for start in starts if onset <= start < min(onset + ONSET_SEARCH_SAMPLES, limit)]
        delays += [(found[0] - onset) * 1000 / SAMPLE_RATE_HZ] if found else []
    return delays


def scores(detected: NDArray[np.bool_], true: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return precision, recall and F1 of windows."""
    hits = int(np.count_nonzero(detected & true))
    precision = hits / max(1, int(np.count_nonzero(detected)))
    recall = hits / max(1, int(np.count_nonzero(true)))
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def false_alarms(name: str, speechless: list[Float32]) -> tuple[float, float]:
    """Return the share of windows and the utterances per minute detected without speech."""
    wrong, utterance_count, window_count = 0, 0, 0
    for audio in speechless:
        windows, probabilities = score(create_detector(name), audio)
        wrong += int(np.count_nonzero(probabilities >= SETTINGS.onset_threshold))
        utterance_count += len(utterance_starts(windows, probabilities))
        window_count += len(windows)
    duration_s = sum(len(audio) for audio in speechless) / SAMPLE_RATE_HZ
    return wrong / window_count, utterance_count / (duration_s / 60)


def measure_costs(recordings: list[Float32], frame_ms: int, repeats: int) -> dict[str, Cost]:
    """Return the cost of each detector for audio in frames of that length."""
    rounds = [{name: cpu_ms_per_s(name, recordings, frame_ms) for name in DETECTORS} for _ in range(repeats)]
    return {
        name: Cost(
            cpu_ms_per_s=median(times[name] for times in rounds),
            cpu_ms_per_s_least=min(times[name] for times in rounds),
            cpu_ms_per_s_most=max(times[name] for times in rounds),
            relative_to_silero=median(times[name] / times["silero"] for times in rounds),
        )
        for name in DETECTORS
    }


def cpu_ms_per_s(name: str, recordings: list[Float32], frame_ms: int) -> float:
    """Return the CPU time of one pass over all recordings, frame by frame as in a session."""
    spent_s = 0.0
    for audio in recordings:
        detector = create_detector(name)
        windows = audio[: len(audio) // detector.window_samples * detector.window_samples]
        windows = windows.reshape(-1, detector.window_samples)
        ends = np.arange(0, len(audio), ms_to_samples(frame_ms)) // detector.window_samples
        batches = [windows[start:end] for start, end in pairwise(ends) if end > start]
        began_s = time.process_time()
        for batch in batches:
            detector.probabilities(batch)
        spent_s += time.process_time() - began_s
    return spent_s * 1000 / (sum(len(audio) for audio in recordings) / SAMPLE_RATE_HZ)


def print_tables(qualities: dict[str, Quality], costs: dict[int, dict[str, Cost]]) -> None:
    """Print the results."""
    columns = [
        "detector",
        "precision",
        "recall",
        "F1",
        "onset p50 ms",
        "detected",
        "false windows",
        "false utterances/min",
    ]
    rows = [
        [
            name,
            f"{quality.precision:.3f}",
            f"{quality.recall:.3f}",
            f"{quality.f1:.3f}",
            "–" if quality.onset_delay_p50_ms is None else f"{quality.onset_delay_p50_ms:.0f}",
            f"{quality.onsets_heard}/{quality.onsets}",
            f"{quality.false_windows:.2%}",
            quality.false_utterances_per_min,
        ]
        for name, quality in qualities.items()
    ]
    print_table("accuracy", columns, rows)
    for frame_ms, table in costs.items():
        cost_rows = [
            [name, c.cpu_ms_per_s, c.cpu_ms_per_s_least, c.cpu_ms_per_s_most, f"{c.relative_to_silero:.0%}"]
            for name, c in table.items()
        ]
        title = f"cost with {frame_ms} ms frames: CPU ms per second of audio"
        print_table(title, ["detector", "median", "least", "most", "of silero"], cost_rows)


if __name__ == "__main__":
    main()
