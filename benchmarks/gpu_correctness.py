"""Whether a device computes what a CPU does in float32, and whether drafts, graphs and neighbours change a text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.recordings import read_recording
from decoder.engines.torch_whisper.checkpoint import Checkpoint
from decoder.engines.torch_whisper.device import Device
from decoder.engines.torch_whisper.features import LogMel
from decoder.engines.torch_whisper.jobs import Window
from decoder.engines.torch_whisper.model import Weights, encode
from decoder.engines.torch_whisper.network import BUCKET_POSITIONS, MARGIN_POSITIONS
from decoder.engines.torch_whisper.slots import Progress, Start
from decoder.whisper.batch_plan import POSITION_SAMPLES
from decoder.whisper.vocabulary import Vocabulary
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["Agreement", "Case", "CorrectnessFigures", "differences", "measure_correctness", "spoiled"]

RECORDING = Path(__file__).parents[1] / "clients" / "demo" / "talk.flac"

LENGTHS_S = (1.0, 2.2, 3.5, 5.0)
"""Of the pieces of the recording, in turns."""


WRONG_TOKEN = 10
SPOILED_EVERY = 4


@dataclass(frozen=True, slots=True)
class Case:
    """A model and the pieces of speech that it decodes.

    Attributes:
        name: of the model.
        checkpoint: its weights.
        vocabulary: its tokens.
        count: pieces, at most 16.
        limit: most tokens of a text.
    """

    name: str
    checkpoint: Checkpoint
    vocabulary: Vocabulary
    count: int
    limit: int


@dataclass(frozen=True, slots=True)
class CorrectnessFigures:
    """One type of weights, on a device, against float32 on the CPU.

    Attributes:
        model: its name.
        dtype: of the weights.
        encoder_error: norm of the difference of the encoder's outputs over the norm of the outputs.
        texts: decoded.
        same: of them token for token as on the CPU.
    """

    model: str
    dtype: str
    encoder_error: float
    texts: int
    same: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """What must change no text, and how many it changed.

    Attributes:
        model: its name.
        what: was done.
        texts: decoded.
        changed: of them.
        first: token at which the first of these differs; None: none does.
        graphs: CUDA graphs that were captured.
    """

    model: str
    what: str
    texts: int
    changed: int
    first: int | None
    graphs: int


Text = tuple[int, ...]


def measure_correctness(
    case: Case, device: torch.device, dtypes: Sequence[torch.dtype]
) -> tuple[list[CorrectnessFigures], list[Agreement]]:
    """Return how near the device comes to the CPU, and what of drafts, graphs and neighbours changes a text.

    Args:
        case: to be decoded.
        device: to be checked.
        dtypes: of the weights; the second part is measured in float32, in which nothing may change a text.
    """
    windows = _windows(case.count)
    cpu = torch.device("cpu")
    reference = Device(case.checkpoint, case.vocabulary, cpu, torch.float32, case.count)
    expected = _texts(reference, windows, _starts(case, windows))
    figures = []
    for dtype in dtypes:
        checked = Device(case.checkpoint, case.vocabulary, device, dtype, case.count)
        with checked.entered():
            error = _encoder_error(reference.weights, checked.weights, windows[0])
            texts = _texts(checked, windows, _starts(case, windows))
        same = len(texts) - len(differences(expected, texts))
        figures.append(CorrectnessFigures(case.name, str(dtype), error, len(texts), same))
    return figures, _agreements(case, device, windows)


def differences(expected: Sequence[Text], texts: Sequence[Text]) -> list[int]:
    """Return the token at which each text that differs does so first. PURE."""
    return [
        next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        for one, other in zip(expected, texts, strict=True)
        if one != other
    ]


def spoiled(text: Text) -> Text:
    """Return a text with every fourth token wrong. PURE."""
    return tuple(WRONG_TOKEN if n % SPOILED_EVERY == 1 else token for n, token in enumerate(text))


def _agreements(case: Case, device: torch.device, windows: Sequence[Window]) -> list[Agreement]:
    made = Device(case.checkpoint, case.vocabulary, device, torch.float32, case.count)
    with made.entered():
        starts = _starts(case, windows)
        plain = _texts(made, windows, starts)  # kernel by kernel: it is not warmed up
        perfect = [replace(start, draft=text) for start, text in zip(starts, plain, strict=True)]
        wrong = [replace(start, draft=spoiled(text)) for start, text in zip(starts, plain, strict=True)]
        alone = [_texts(made, [window], [start])[0] for window, start in zip(windows, starts, strict=True)]
        found = {"rows alone": alone, "drafts": _texts(made, windows, perfect)}
        found["spoiled drafts"] = _texts(made, windows, wrong)
        made.warm_up()
        found["graphs"] = _texts(made, windows, starts)
        found["graphs, drafts"] = _texts(made, windows, perfect)
        found["graphs, spoiled drafts"] = _texts(made, windows, wrong)
    agreements = []
    for what, texts in found.items():
        places = differences(plain, texts)
        graphs = made.graphs if what.startswith("graphs") else 0
        agreements.append(Agreement(case.name, what, len(texts), len(places), min(places, default=None), graphs))
    return agreements


def _texts(device: Device, windows: Sequence[Window], starts: Sequence[Start]) -> list[Text]:
    """Return the texts of windows, decoded together."""
    for positions in sorted({window.positions for window in windows}):
        slots = [slot for slot, window in enumerate(windows) if window.positions == positions]
        device.encode(slots, [windows[slot] for slot in slots])
    running: dict[int, Progress] = {slot: device.begin(slot, start) for slot, start in enumerate(starts)}
    while running:
        device.advance(running.items(), is_random=False)
        progress = device.progress()
        running = {slot: progress[slot] for slot in running if progress[slot].is_running}
    return [finished.tokens for finished in device.finished(range(len(starts)))]


def _encoder_error(reference: Weights, checked: Weights, window: Window) -> float:
    """Return the relative error of the encoder's output for one window."""
    log_mel, _ = LogMel(reference.dims.mels, reference.device)(torch.from_numpy(_padded(window))[None])
    expected = encode(reference, log_mel)
    found = encode(checked, log_mel.to(checked.device, checked.dtype)).float().cpu()
    return float((found - expected).norm() / expected.norm())


def _padded(window: Window) -> Float32:
    samples = np.zeros(window.positions * POSITION_SAMPLES, np.float32)
    samples[: len(window.samples)] = window.samples
    return samples


def _windows(count: int) -> list[Window]:
    """Return pieces of the recording in trimmed windows."""
    speech = read_recording(RECORDING)
    piece = partial(_piece, speech, count)
    return [piece(number, LENGTHS_S[number % len(LENGTHS_S)]) for number in range(count)]


def _piece(speech: Float32, count: int, number: int, seconds: float) -> Window:
    length = round(seconds * SAMPLE_RATE_HZ)
    first = (len(speech) - length) * number // count
    needed = -(-length // POSITION_SAMPLES) + MARGIN_POSITIONS
    return Window(speech[first : first + length], -(-needed // BUCKET_POSITIONS) * BUCKET_POSITIONS)


def _starts(case: Case, windows: Sequence[Window]) -> list[Start]:
    vocabulary = case.vocabulary
    spoken = ("<|en|>", "<|transcribe|>") if vocabulary.is_multilingual else ()
    tokens = [vocabulary.sot, *(vocabulary.token(name) for name in spoken), vocabulary.no_timestamps]
    prompt = tuple(token for token in tokens if token is not None)
    return [
        Start(
            prompt,
            0,
            (),
            (),
            case.limit,
            is_timed=False,
            temperature=0.0,
            content=len(each.samples) // POSITION_SAMPLES,
        )
        for each in windows
    ]
