"""What the networks ask of the loop that owns their device."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from decoder.engines.torch_whisper.slots import Finished, Start
from decoder.whisper.network import Alignment, Encoded
from vad.audio import Float32

__all__ = ["Align", "Detect", "Generate", "Job", "Search", "Window"]

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, eq=False)
class Window(Encoded):
    """Audio to be encoded into a slot.

    Attributes:
        samples: float32[n], mono 16 kHz.
        positions: of the window that it is padded to, 20 ms each.
    """

    samples: Float32
    positions: int


@dataclass(slots=True, eq=False, kw_only=True)
class Job(Generic[Answer]):
    """Something to be computed in one slot.

    Attributes:
        slot: in which.
        urgency: the least is first.
        window: to be encoded before; None: it is in the slot already.
        answer: what came of it; an exception where it failed.
    """

    slot: int
    urgency: tuple[int, float]
    window: Window | None = None
    answer: Future[Answer] = field(default_factory=Future, init=False)


@dataclass(slots=True, eq=False, kw_only=True)
class Generate(Job[Finished]):
    """A text."""

    start: Start


@dataclass(slots=True, eq=False, kw_only=True)
class Search(Job[Finished]):
    """A text by beam search."""

    start: Start
    beams: int


@dataclass(slots=True, eq=False, kw_only=True)
class Detect(Job[list[float]]):
    """The probability of each of some tokens after <|startoftranscript|>, 0..1, among themselves."""

    sot: int
    tokens: Sequence[int]


@dataclass(slots=True, eq=False, kw_only=True)
class Align(Job[list[Alignment]]):
    """Where texts lie in the slot's audio.

    Attributes:
        prompt: tokens before the text.
        texts: tokens of each.
        content: positions of the window that hold audio.
    """

    prompt: Sequence[int]
    texts: Sequence[Sequence[int]]
    content: int
