"""PURE: which requests of a batch can be decoded together, and their limits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from decoder.audio_checks import LONGEST_S
from decoder.features import FRAME_SAMPLES
from decoder.types import DecodeRequest, RequestKind, Word
from vad.audio import SAMPLE_RATE_HZ

__all__ = [
    "CONTEXT_TOKENS",
    "FRAMES_PER_SECOND",
    "FULL_WINDOW_FRAMES",
    "LATEST_FIRST_TIME",
    "LONGEST_SAMPLES",
    "POSITION_SAMPLES",
    "TOKENS_PER_SECOND",
    "Before",
    "Plan",
    "Window",
    "carried_tokens",
    "frame_count",
    "runs",
    "token_limit",
    "window_frames",
]

LONGEST_SAMPLES = LONGEST_S * SAMPLE_RATE_HZ
"""Whisper was trained on windows of 30 s."""

POSITION_SAMPLES = 2 * FRAME_SAMPLES
"""20 ms, one position of the encoder: its second convolution halves the rate."""

FRAMES_PER_SECOND = SAMPLE_RATE_HZ // FRAME_SAMPLES

FULL_WINDOW_FRAMES = LONGEST_SAMPLES // FRAME_SAMPLES

MARGIN_FRAMES = 2 * 128
"""2.56 s of silence after the audio in a trimmed window; the encoder's output for silence follows it
(`decoder.engines.whisper.encoded_silence`). Half of it costs a little accuracy; without that output it would have to be
three times as long."""

LATEST_FIRST_TIME = 50
"""The first timestamp is at most 1 s (openai/whisper)."""

WINDOW_EDGES_S = (2.5, 3.8, 5, 6.2, 7.5, 8.8, 10, 15, 20, LONGEST_S)
"""Audio is padded to one of these lengths, then the margin is added. They divide the planner's buckets of finals, and
partials of more than 8 s are cut. Steps of 2.5 s would encode a twentieth more, and generate in larger groups."""

CONTEXT_TOKENS = 448
"""Positions of Whisper's decoder: at most half for the context, half for the text itself (openai/whisper)."""

CARRIED_TOKENS = 16
"""Tokens before a cut that become the context of the text after it, 5 s of English; with fewer there is no context. The
length is fixed because CTranslate2 batches only prompts with <|startoftranscript|> at the same position."""

TOKENS_PER_SECOND = 15
"""Upper bound of speech: English at 5 words a second takes 7 tokens, scripts with several tokens a letter about twice
as many. A longer text is a loop."""

TIME_TOKENS = 16
"""Timestamp tokens reserved for a text, two a sentence; further ones use up tokens of the words."""

LIMIT_EDGES_S = (5, 10, 20, LONGEST_S)
"""The planner's bucket edges, so that the limit never splits a batch of finals that the planner made."""

PARTIAL_LIMIT_SAMPLES = 10 * SAMPLE_RATE_HZ
"""Shorter partials share one limit and are generated together: eight streams take a tenth less CPU."""


Window = Literal["trimmed", "full"]


@dataclass(frozen=True, slots=True)
class Before:
    """The text of an utterance before the audio of a plan.

    Attributes:
        words: of a partial, the words committed before the cut; of a final, those of the pieces already decoded.
        tokens: number of tokens of these pieces, ends of text included.
        logprob: sum of their log probabilities, nats.
        no_speech_probability: the lowest of all pieces, 0..1.
    """

    words: tuple[Word, ...] = ()
    tokens: int = 0
    logprob: float = 0.0
    no_speech_probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One request prepared for the model.

    Attributes:
        place: its index in the batch.
        request: with audio of 1 sample to 30 s: the audio after the cut of a partial, or after the decoded pieces of a
            final.
        before: the text of its utterance before that audio.
        context: <|startofprev|> and the tokens of the preceding text, or empty.
        prefix: the tokens of each committed word that the text begins with; empty for finals.
        beam_size: 1 is greedy.
        frames: length of the window that its audio is padded to.
        draft: tokens that probably follow the prefix, from the utterance's last hypothesis.
    """

    place: int
    request: DecodeRequest
    before: Before
    context: tuple[int, ...]
    prefix: tuple[tuple[int, ...], ...]
    beam_size: int
    frames: int
    draft: tuple[int, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether its text is a partial, which the next one supersedes in half a second.

        Only other texts are aligned with the audio, and generated with Whisper's timestamp tokens. The longer a text,
        the more these improve it: without them, finals on telephone recordings have 11.4 instead of 10.2 % of their
        words wrong, on meetings up to ten points more. The prefix of a partial has none.
        """
        return self.request.kind is RequestKind.PARTIAL

    @property
    def suppresses_blank(self) -> bool:
        """Whether the text must not be empty.

        Finals follow openai/whisper. After a prefix, CTranslate2 would force a word even if none was spoken, and a
        partial of silence should be empty.
        """
        return not self.is_partial and not self.prefix

    @property
    def limit(self) -> int:
        """Maximum number of tokens of its text, prefix and timestamps included."""
        times = 0 if self.is_partial else TIME_TOKENS
        return min(token_limit(len(self.request.samples)) + times, CONTEXT_TOKENS // 2)

    @property
    def generated_limit(self) -> int:
        """Maximum number of tokens to generate; those beyond `limit` are truncated."""
        return max(self.limit, token_limit(PARTIAL_LIMIT_SAMPLES)) if self.is_partial else self.limit

    @property
    def prefix_tokens(self) -> list[int]:
        """Tokens of all committed words."""
        return [token for word in self.prefix for token in word]

    @property
    def group(self) -> tuple[bool, int, float, bool, int, int]:
        """Key of the plans that one `generate` call can decode together.

        CTranslate2 requires <|startoftranscript|> at the same position in all rows of a call, and takes one beam size,
        temperature, limit and rule for blanks. Windows (padded with silence to one length), language, task and prefix
        may differ. The key depends on the request alone, so that its answer does not depend on its neighbours.
        """
        return (
            self.is_partial,
            self.beam_size,
            self.request.temperature,
            self.suppresses_blank,
            len(self.context),
            self.generated_limit,
        )


def runs(keys: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Return the half-open spans of equal neighbours, in order."""
    first = 0
    for _, same in groupby(keys):
        end = first + sum(1 for _ in same)
        yield first, end
        first = end


def carried_tokens(count: int) -> int:
    """Return how many of the tokens before a cut become the context of the text after it."""
    return CARRIED_TOKENS if count >= CARRIED_TOKENS else 0


def token_limit(audio_samples: int) -> int:
    """Return the maximum number of tokens for speech of that length."""
    seconds = next((edge_s for edge_s in LIMIT_EDGES_S if audio_samples <= edge_s * SAMPLE_RATE_HZ), LONGEST_S)
    return min(seconds * TOKENS_PER_SECOND, CONTEXT_TOKENS // 2)


def window_frames(audio_samples: int, window: Window) -> int:
    """Return the frames that audio of that length is padded to, independent of the rest of the batch."""
    if window == "full":
        return FULL_WINDOW_FRAMES
    edge_s = next((edge_s for edge_s in WINDOW_EDGES_S if audio_samples <= edge_s * SAMPLE_RATE_HZ), LONGEST_S)
    return min(round(edge_s * FRAMES_PER_SECOND) + MARGIN_FRAMES, FULL_WINDOW_FRAMES)


def frame_count(audio_samples: int) -> int:
    """Return the number of frames that cover the audio, rounded up."""
    return -(-audio_samples // FRAME_SAMPLES)
