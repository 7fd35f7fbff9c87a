"""Define the interface of Whisper's network, independent of the library that computes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from decoder.engine import EngineWork
from decoder.whisper.batch_plan import Plan, Window
from decoder.whisper.vocabulary import Vocabulary

__all__ = ["Alignment", "Encoded", "Generated", "Network"]


class Encoded:
    """One encoded window; only the network that made it can read it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Generated:
    """The text generated for one plan.

    Attributes:
        plan: the decoded plan.
        encoded: its window.
        language: ISO-639-1.
        tokens: tokens of the text after the prefix.
        rest_sample: samples of its audio that the text covers; the rest is not decoded yet. None: complete.
        avg_logprob: nats per token, ≤ 0; None if there is no token.
        no_speech_probability: 0..1.
        peaks: encoder position that each of the tokens attends to most; None if unknown.
    """

    plan: Plan
    encoded: Encoded
    language: str
    tokens: tuple[int, ...]
    rest_sample: int | None
    avg_logprob: float | None
    no_speech_probability: float
    peaks: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Alignment:
    """The alignment of a text with its audio.

    Attributes:
        path: (token, encoder position) along the path of dynamic time warping; tokens count from the prefix on.
        probabilities: of each token, 0..1.
    """

    path: Sequence[tuple[int, int]]
    probabilities: Sequence[float]


class Network(Protocol):
    """Whisper's network. Not thread-safe: one call at a time, but several networks may share weights."""

    vocabulary: Vocabulary
    verifies_drafts: bool
    """Whether `Plan.draft` saves it work."""
    work: EngineWork
    """Total work since it was loaded."""

    @property
    def is_usable(self) -> bool:
        """Whether it can compute now. Any thread may ask."""
        ...

    def window_frames(self, audio_samples: int, window: Window) -> int:
        """Return the frames that audio of that length is padded to, independent of the rest of the batch."""
        ...

    def encode(self, plans: Sequence[Plan]) -> list[Encoded]:
        """Return the encoded window of each plan, followed by the output for silence up to 30 s."""
        ...

    def detect_language(self, encoded: Sequence[Encoded]) -> list[dict[str, float]]:
        """Return for each window the probability of each language, 0..1."""
        ...

    def generate(
        self, plans: Sequence[Plan], encoded: Sequence[Encoded], languages: Sequence[str], temperature: float = 0.0
    ) -> list[Generated]:
        """Return the text of each window.

        Args:
            plans: of one group.
            encoded: their windows.
            languages: their ISO-639-1 codes.
            temperature: 0: the most likely text; above 0: a random sample.
        """
        ...

    def align(self, texts: Sequence[Generated]) -> list[Alignment]:
        """Return the alignment of each text with its audio.

        Args:
            texts: of one language and task.
        """
        ...

    def score(self, text: Generated, alternatives: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the probability of each token of each alternative text of the same audio, 0..1.

        Args:
            text: whose audio, language and task are used.
            alternatives: tokens of each, at least one.
        """
        ...

    def close(self) -> None:
        """Free the weights, which other networks may share; none of them may be computing."""
        ...
