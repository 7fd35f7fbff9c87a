"""PURE: what of a batch the model may decode together, and within which limits."""

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
"""2.56 s of silence behind the audio in a trimmed window, beside the encoder's output for silence that follows it
(`_whisper_silence`). With half of it a little is lost; without the output it would have to be three times as long."""

LATEST_FIRST_TIME = 50
"""The first timestamp is at most 1 s (openai/whisper)."""

WINDOW_EDGES_S = (2.5, 3.8, 5, 6.2, 7.5, 8.8, 10, 15, 20, LONGEST_S)
"""Audio is rounded up to one of these, then comes the margin. They divide the planner's buckets of finals, and partials
of more than 8 s are cut. Steps of 2.5 s would encode a twentieth more, and generate in larger groups."""

CONTEXT_TOKENS = 448
"""Positions of Whisper's decoder; half may go to the text before, half to the text itself (openai/whisper)."""

CARRIED_TOKENS = 16
"""So many tokens of what was said before a cut are context for what comes after it, 5 s of English; fewer are none. One
length, for CTranslate2 generates together only where <|startoftranscript|> stands at one position."""

TOKENS_PER_SECOND = 15
"""No speech is faster: English at 5 words a second takes 7 tokens, scripts of several tokens a letter about twice as
many. What goes on beyond is a loop."""

TIME_TOKENS = 16
"""Timestamp tokens of a text, two a sentence; those of more sentences have to do with what their words leave."""

LIMIT_EDGES_S = (5, 10, 20, LONGEST_S)
"""The planner's bucket edges, so that the limit splits no batch of finals that the planner has made."""

PARTIAL_LIMIT_SAMPLES = 10 * SAMPLE_RATE_HZ
"""Partials of less are generated together, with one limit: eight streams take a tenth less CPU so."""


Window = Literal["trimmed", "full"]


@dataclass(frozen=True, slots=True)
class Before:
    """What an utterance says before the audio that is decoded now.

    Attributes:
        words: of a partial those that were committed before the cut, of a final those of the pieces decoded before.
        tokens: how many tokens these pieces had, ends of text included.
        logprob: their sum of log probabilities, nats.
        no_speech_probability: of the piece that speech is surest in, 0..1.
    """

    words: tuple[Word, ...] = ()
    tokens: int = 0
    logprob: float = 0.0
    no_speech_probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One request made ready for the model.

    Attributes:
        place: its index in the batch.
        request: with audio of 1 sample to 30 s; what comes after the cut of a partial, or after the pieces of a final
            that are decoded already.
        before: what its utterance says before that.
        context: <|startofprev|> and the tokens of the text before, or empty.
        prefix: the tokens of each committed word that the text begins with; finals begin with none.
        beam_size: 1 is greedy.
        frames: of the window that its audio is padded to.
        draft: tokens that probably follow the prefix: those of the utterance's last hypothesis.
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
        """Whether its text is one of many of its utterance, gone in half a second.

        Only the others are aligned with the audio, and generated with Whisper's timestamp tokens, which make a text
        better the longer it is: on telephone recordings finals without them have 11.4 instead of 10.2 % of their words
        wrong, on meetings up to ten points more. The prefix of a partial has none.
        """
        return self.request.kind is RequestKind.PARTIAL

    @property
    def suppresses_blank(self) -> bool:
        """Whether the text must not be empty.

        Finals do as Whisper does. With a prefix CTranslate2 would force a word after it, whether one was said or not,
        and a partial of silence had better show nothing.
        """
        return not self.is_partial and not self.prefix

    @property
    def limit(self) -> int:
        """Most tokens of its text, prefix and timestamps included."""
        times = 0 if self.is_partial else TIME_TOKENS
        return min(token_limit(len(self.request.samples)) + times, CONTEXT_TOKENS // 2)

    @property
    def generated_limit(self) -> int:
        """Most tokens that are generated; what is beyond `limit` is cut off."""
        return max(self.limit, token_limit(PARTIAL_LIMIT_SAMPLES)) if self.is_partial else self.limit

    @property
    def prefix_tokens(self) -> list[int]:
        """Tokens of all committed words."""
        return [token for word in self.prefix for token in word]

    @property
    def group(self) -> tuple[bool, int, float, bool, int, int]:
        """What requests of one `generate` call have in common.

        CTranslate2 wants <|startoftranscript|> at one position in a call and takes one beam, one temperature, one limit
        and one rule for blanks; windows, which silence makes equally long, language, task and prefix may differ. All of
        it follows from the request alone, so that its answer does not depend on its neighbours.
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
    """Return how many of the tokens before a cut are context for what comes after it."""
    return CARRIED_TOKENS if count >= CARRIED_TOKENS else 0


def token_limit(audio_samples: int) -> int:
    """Return the most tokens that speech of that length is spelled with."""
    seconds = next((edge_s for edge_s in LIMIT_EDGES_S if audio_samples <= edge_s * SAMPLE_RATE_HZ), LONGEST_S)
    return min(seconds * TOKENS_PER_SECOND, CONTEXT_TOKENS // 2)


def window_frames(audio_samples: int, window: Window) -> int:
    """Return the frames that audio of that length is padded to. It follows from the audio alone, not the batch."""
    if window == "full":
        return FULL_WINDOW_FRAMES
    edge_s = next((edge_s for edge_s in WINDOW_EDGES_S if audio_samples <= edge_s * SAMPLE_RATE_HZ), LONGEST_S)
    return min(round(edge_s * FRAMES_PER_SECOND) + MARGIN_FRAMES, FULL_WINDOW_FRAMES)


def frame_count(audio_samples: int) -> int:
    """Return the frames that hold that much audio."""
    return -(-audio_samples // FRAME_SAMPLES)
