"""A device with the weights on it, and its slots: what can be computed in them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from decoder.engines.torch_whisper.alignment import attention_matrix, warp
from decoder.engines.torch_whisper.beam import beam_search
from decoder.engines.torch_whisper.checkpoint import Checkpoint
from decoder.engines.torch_whisper.features import LogMel
from decoder.engines.torch_whisper.graphs import Graphs
from decoder.engines.torch_whisper.jobs import Align, Detect, Window
from decoder.engines.torch_whisper.model import OwnStore, Weights, decode, encode, project
from decoder.engines.torch_whisper.passes import EXACT, GRAPHS, Need, Pass, passes
from decoder.engines.torch_whisper.rules import Rules
from decoder.engines.torch_whisper.silence import LOG_MASS, Silence
from decoder.engines.torch_whisper.slots import Finished, Progress, Slots, Start
from decoder.whisper.batch_plan import POSITION_SAMPLES
from decoder.whisper.network import Alignment
from decoder.whisper.vocabulary import Vocabulary

__all__ = ["Device"]


class Device:
    """Computes for the requests in its slots. Not thread-safe: one thread owns it.

    Args:
        checkpoint: the weights.
        vocabulary: of the model.
        device: where to.
        dtype: of the weights on it.
        slots: requests in flight.
    """

    def __init__(
        self, checkpoint: Checkpoint, vocabulary: Vocabulary, device: torch.device, dtype: torch.dtype, slots: int
    ) -> None:
        self._device = device
        self.weights = Weights.of(checkpoint, device, dtype)
        self._rules = Rules(vocabulary, checkpoint.dims.vocabulary, device)
        self._log_mel = LogMel(checkpoint.dims.mels, device)
        self._heads = checkpoint.alignment_heads
        self._no_speech = _no_speech_token(vocabulary)
        self._shapes = EXACT if device.type == "cpu" else GRAPHS
        self._make_state(slots)

    def _make_state(self, slots: int) -> None:
        self._positions = [0] * slots  # of the audio that is in each slot, silence included; 0: there is none
        self._silence = Silence(self.weights)
        self._slots = Slots(self.weights, self._rules, slots, self._heads, self._no_speech)
        self._graphs = Graphs(self._device)

    def reset(self) -> None:
        """Discard all state, in which a failure may have left anything; the weights stay. It has to be warmed up again.

        Raises:
            RuntimeError: there is no memory for new state, or the device is lost.
        """
        with suppress(AttributeError):  # of those that an earlier reset could not make
            del self._silence, self._slots, self._graphs  # the new ones need their memory
        self._make_state(len(self._positions))

    @property
    def graphs(self) -> int:
        """How many passes are captured as CUDA graphs."""
        return len(self._graphs)

    def entered(self) -> AbstractContextManager[object]:
        """Return a context in which the device is the thread's own."""
        return torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext()

    def warm_up(self) -> None:
        """Encode silence, and capture the passes; where nothing is captured there is nothing to be done."""
        if self._device.type == "cpu":
            return
        self._silence.prepare_all()
        for shape in self._shapes.all_passes(self._slots.count):
            # No slot runs yet, so that a pass changes nothing that is read.
            self._graphs.capture(shape, partial(self._slots.advance, shape))

    def encode(self, slots: Sequence[int], windows: Sequence[Window]) -> None:
        """Encode windows of one length, and put them into their slots."""
        positions = windows[0].positions
        samples = np.zeros((len(windows), positions * POSITION_SAMPLES), np.float32)
        for row, window in zip(samples, windows, strict=True):
            row[: len(window.samples)] = window.samples[: len(row)]
        log_mel, floors = self._log_mel(torch.from_numpy(samples).to(self._device, non_blocking=True))
        log_mel = log_mel.to(self.weights.dtype)
        if positions == self.weights.dims.audio_positions:
            self._put(slots, project(self.weights, encode(self.weights, log_mel)), positions)
            return
        levels = self._silence.levels(floors)
        self._silence.prepare(levels)
        encoded = encode(self.weights, log_mel, self._silence.tail(levels, positions))
        self._put(
            slots, project(self.weights, torch.cat([encoded, self._silence.outputs(levels, positions)], 1)), positions
        )

    def _put(self, slots: Sequence[int], keys_values: Tensor, positions: int) -> None:
        """Put keys and values into slots; those behind the positions stand for silence."""
        # A copy that waited would wait for the encoder. From pageable memory it is staged before `to` returns.
        rows = torch.tensor(slots).to(self._device, non_blocking=True)
        total = keys_values.shape[4]
        self._slots.cross.keys_values[:, :, rows, :, :total] = keys_values
        mask = torch.full((self.weights.dims.audio_positions,), -torch.inf)
        mask[:positions], mask[positions:total] = 0.0, LOG_MASS
        self._slots.cross.mask[rows] = mask.to(self._device, non_blocking=True)
        for slot in slots:
            self._positions[slot] = total

    def begin(self, slot: int, start: Start) -> Progress:
        """Begin a text of the audio in a slot.

        Raises:
            ValueError: there is no audio in it.
        """
        self._positions_in(slot)
        return self._slots.fill(slot, start)

    def progress(self) -> list[Progress]:
        """Return how far each slot is; waits for what was computed before."""
        return self._slots.progress()

    def finished(self, slots: Sequence[int]) -> list[Finished]:
        """Return the texts of slots that do not run any longer."""
        return self._slots.finished(slots)

    def stop(self, slot: int) -> None:
        """Let the text of a slot be complete as it is."""
        self._slots.stop(slot)

    def advance(self, running: Iterable[tuple[int, Progress]], *, is_random: bool) -> None:
        """Let the texts of slots take a pass.

        Args:
            running: slots, and how far they are.
            is_random: whether any of them has a temperature above 0.
        """
        needs = [
            Need(slot, now.entering, now.drafted, now.known - now.entering, self._positions[slot], now.is_new)
            for slot, now in running
        ]
        for shape in passes(needs, self._shapes):
            self._advance(shape, is_random=is_random)

    def _advance(self, shape: Pass, *, is_random: bool) -> None:
        if is_random:  # rare, so that it is not captured
            self._slots.advance(shape, is_random=True)
        else:
            self._graphs.run(shape, partial(self._slots.advance, shape))

    def search(self, slot: int, start: Start, beams: int) -> Iterator[Finished | None]:
        """Return a beam search over the audio in a slot, which takes a pass each time it is advanced."""
        cross = self._slots.cross.rows(0, self._slots.count, self._positions_in(slot)).repeated(slot, beams)
        return beam_search(self.weights, self._rules, cross, start, beams, self._no_speech, self._slots.bias)

    def detect(self, slot: int, job: Detect) -> list[float]:
        """Return the probability of each of the job's tokens after <|startoftranscript|>, among themselves."""
        hidden, _ = self._read(slot, [[job.sot]], ())
        logits = functional.linear(hidden[0, 0], self.weights.embedding)[list(job.tokens)]
        probabilities: list[float] = logits.float().softmax(-1).tolist()
        return probabilities

    def align(self, slot: int, job: Align) -> list[Alignment]:
        """Return where the job's texts lie in the audio of a slot."""
        longest = max(map(len, job.texts))
        ids = [[*job.prompt, *text, *[self._rules.end] * (longest - len(text) + 1)] for text in job.texts]
        hidden, scores = self._read(slot, ids, self._heads)
        assert scores is not None
        # The state before a token chooses it, and attends to where it is spoken.
        first = len(job.prompt) - 1
        logits = functional.linear(hidden[:, first : first + longest], self.weights.embedding)[
            ..., : self._rules.end
        ].float()
        chosen = torch.tensor(ids, device=self._device)[:, first + 1 : first + 1 + longest]
        probabilities = logits.softmax(-1).gather(-1, chosen.clamp(max=self._rules.end - 1)[..., None])[..., 0]
        alignments = []
        for text, of_text, of_scores in zip(job.texts, probabilities.tolist(), scores, strict=True):
            rows = of_scores[:, : first + len(text) + 1]  # openai/whisper standardises over the prompt, too
            matrix = attention_matrix(rows, job.content)[first:]
            alignments.append(Alignment(warp(-matrix.cpu().numpy()), of_text[: len(text)]))
        return alignments

    def _positions_in(self, slot: int) -> int:
        positions = self._positions[slot]
        if not positions:
            raise ValueError(f"slot {slot} has no audio: the device was reset")
        return positions

    def _read(
        self, slot: int, ids: Sequence[Sequence[int]], heads: tuple[tuple[int, int], ...]
    ) -> tuple[Tensor, Tensor | None]:
        """Take in whole texts of the audio in a slot, and return states and scores as `decode` does."""
        tokens = torch.tensor(ids, device=self._device)
        rows, width = tokens.shape
        own = OwnStore.empty(self.weights, rows, width)
        cross = self._slots.cross.rows(0, self._slots.count, self._positions_in(slot)).repeated(slot, rows)
        return decode(self.weights, own, cross, tokens, tokens.new_zeros(rows), width, heads)


def _no_speech_token(vocabulary: Vocabulary) -> int:
    for name in ("<|nospeech|>", "<|nocaptions|>"):  # the newer and the older vocabularies' name for it
        token = vocabulary.token(name)
        if token is not None:
            return token
    return vocabulary.no_timestamps - 1
