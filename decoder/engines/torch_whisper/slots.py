"""Slots: requests in flight, decoded together by passes without a branch on data, which can be CUDA graphs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from decoder.engines.torch_whisper.loops import end_in_loops
from decoder.engines.torch_whisper.model import CrossStore, OwnStore, Weights, decode
from decoder.engines.torch_whisper.passes import Pass
from decoder.engines.torch_whisper.rules import Choice, History, Rules
from decoder.engines.torch_whisper.term_bias import Bias, TermBias

__all__ = ["Finished", "Progress", "Slots", "Start"]

OFFSETS = (0, -1, 1, 2)
"""Where a chosen token is looked for in the draft, counted from the expected one. It is the one before where the last
choice was an insertion, and no substitution."""

NEVER = 1 << 20
"""Repeated tokens that no text has."""

SMOOTHED = 7
"""Attention to the audio is smoothed over so many positions; openai/whisper takes their median."""


@dataclass(frozen=True, slots=True)
class Start:
    """A text to be generated.

    Attributes:
        prompt: tokens before the text: the context, <|startoftranscript|>, language and task.
        start: place of <|startoftranscript|> in the prompt.
        forced: tokens that the text begins with.
        draft: tokens that may follow; they change the number of passes and nothing else.
        limit: most tokens after those forced, ≥ 1.
        is_timed: whether the text has timestamps.
        temperature: 0: the most likely text; above 0: a random one.
        content: positions of the window that hold audio, ≥ 1.
        terms: number of the list of terms that its tokens gain by; 0: none.
        loop_tokens: a phrase is repeated in so many tokens when the text ends early, ≤ `CERTAIN_LOOP_TOKENS`; None: it
            may be repeated up to the limit.
    """

    prompt: Sequence[int]
    start: int
    forced: Sequence[int]
    draft: Sequence[int]
    limit: int
    is_timed: bool
    temperature: float
    content: int
    terms: int = 0
    loop_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a slot is.

    Attributes:
        is_running: whether its text is not complete.
        entering: tokens that its next pass has to take in before it can choose one.
        drafted: tokens that are left of its draft.
        known: tokens of its prompt and its text.
    """

    is_running: bool
    entering: int
    drafted: int
    known: int

    @property
    def is_new(self) -> bool:
        """Whether it took no pass yet."""
        return self.entering == self.known


@dataclass(frozen=True, slots=True)
class Finished:
    """A text that was generated.

    Attributes:
        tokens: after those forced, timestamps included, without the end of the text.
        peaks: the position of the window that each of them attends to most.
        logprob: sum over them and the end of the text, nats.
        no_speech_probability: 0..1.
        passes: of the decoder.
        times_logprob: sum over the timestamps among them, nats; 0 after a beam search, which does not count it.
    """

    tokens: tuple[int, ...]
    peaks: tuple[int, ...]
    logprob: float
    no_speech_probability: float
    passes: int
    times_logprob: float = 0.0


class Rows:
    """The state of adjacent slots, all of it in two tensors, so that a slot is filled, and read, with one copy each.

    Attributes:
        tokens: [B, places + 1], prompt and text; the last place is never read.
        peaks: [B, places + 1], the position of the audio that a token attends to.
        draft: [B, places + 1].
        known: [B], tokens that are decided.
        entered: [B], those of them whose keys and values are stored.
        draft_at, draft_end: [B], what is left of the draft.
        text: [B], place of the first token that is not forced.
        limit: [B], most tokens.
        start: [B], place of <|startoftranscript|>.
        content: [B], positions of the audio.
        passes: [B].
        is_running, is_timed: [B], 0 or 1.
        terms: [B], number of the list of terms.
        loop_tokens: [B], repeated ones at which the text ends.
        logprob, times_logprob, no_speech, temperature: float32[B].
    """

    NUMBERS = (
        *("known", "entered", "draft_at", "draft_end", "text", "limit", "start", "content"),
        *("passes", "is_running", "is_timed", "terms", "loop_tokens"),
    )
    REALS = ("logprob", "times_logprob", "no_speech", "temperature")

    def __init__(self, integers: Tensor, reals: Tensor) -> None:
        self.integers, self.reals = integers, reals
        width = (integers.shape[1] - len(self.NUMBERS)) // 3
        self.tokens, self.peaks = integers[:, :width], integers[:, width : 2 * width]
        self.draft, numbers = integers[:, 2 * width : 3 * width], integers[:, 3 * width :]
        self.known, self.entered, self.draft_at, self.draft_end, self.text, self.limit = numbers[:, :6].unbind(1)
        self.start, self.content, self.passes, self.is_running, self.is_timed = numbers[:, 6:11].unbind(1)
        self.terms, self.loop_tokens = numbers[:, 11:].unbind(1)
        self.logprob, self.times_logprob, self.no_speech, self.temperature = reals.unbind(1)

    @classmethod
    def empty(cls, count: int, places: int, device: torch.device) -> "Rows":
        """Return that many slots, none of them running."""
        integers = torch.zeros(count, 3 * (places + 1) + len(cls.NUMBERS), dtype=torch.int64, device=device)
        return cls(integers, torch.zeros(count, len(cls.REALS), device=device))

    def part(self, first: int, count: int) -> "Rows":
        """Return a view of some of them."""
        return Rows(self.integers[first : first + count], self.reals[first : first + count])


@dataclass(slots=True)
class Slots:
    """Requests in flight, a row each, and the pass that advances them.

    The first `known` tokens of a row are decided, and `entered` of these are in the store of keys and values. A pass
    takes in the others, and the draft behind them, and chooses a token at each place. What the draft and the choice
    have in common is accepted, and the first choice that differs: one token at least. So the text is that of greedy
    decoding, whatever the draft says. The draft goes on behind that token if it has it nearby; else the token
    stands for the next of the draft, or, being a timestamp or a punctuation mark, for none.

    Args:
        weights: of the model.
        rules: for the next token.
        count: slots.
        heads: (layer, head) of cross attention that show where a token was spoken.
        no_speech: <|nospeech|>.
        bias: the lists of terms; None: there are none, and passes do nothing for them.
    """

    weights: Weights
    rules: Rules
    count: int
    heads: tuple[tuple[int, int], ...]
    no_speech: int
    bias: TermBias | None = None
    own: OwnStore = field(init=False)
    cross: CrossStore = field(init=False)
    _rows: Rows = field(init=False)
    _offsets: Tensor = field(init=False)

    def __post_init__(self) -> None:
        dims, device = self.weights.dims, self.weights.device
        self.own = OwnStore.empty(self.weights, self.count)
        shape = (dims.decoder_layers, 2, self.count, dims.heads, dims.audio_positions, dims.width // dims.heads)
        mask = torch.full((self.count, dims.audio_positions), -torch.inf, device=device)
        mask[:, 0] = 0.0  # a row with nothing to attend to would be NaN
        self.cross = CrossStore(torch.zeros(shape, device=device, dtype=self.weights.dtype), mask)
        self._rows = Rows.empty(self.count, dims.text_positions, device)
        self._offsets = torch.tensor(OFFSETS, device=device)

    def fill(self, slot: int, start: Start) -> Progress:
        """Put a request into a slot, whose audio is in `cross` already, and return how far it is.

        Raises:
            ValueError: it names a list of terms that there is not.
        """
        lists = 0 if self.bias is None else self.bias.capacity.lists
        if not 0 <= start.terms <= lists:  # on a GPU the pass would fail, and the device be lost
            raise ValueError(f"list {start.terms} of terms out of range: expected 0–{lists}")
        row = Rows.empty(1, self.weights.dims.text_positions, torch.device("cpu"))
        ids = [*start.prompt, *start.forced]
        row.tokens[0, : len(ids)] = torch.tensor(ids)
        row.draft[0, : len(start.draft)] = torch.tensor(start.draft, dtype=torch.int64)
        row.known[:] = row.text[:] = len(ids)
        row.draft_end[:] = len(start.draft)
        row.limit[:] = len(ids) + start.limit
        row.start[:], row.content[:] = start.start, start.content
        row.is_running[:], row.is_timed[:] = 1, start.is_timed
        row.temperature[:], row.terms[:] = start.temperature, start.terms
        row.loop_tokens[:] = NEVER if start.loop_tokens is None else start.loop_tokens
        self._rows.integers[slot] = row.integers[0].to(self.weights.device, non_blocking=True)
        self._rows.reals[slot] = row.reals[0].to(self.weights.device, non_blocking=True)
        return Progress(is_running=True, entering=len(ids), drafted=len(start.draft), known=len(ids))

    def stop(self, slot: int) -> None:
        """Complete the text of a slot as it is."""
        self._rows.is_running[slot] = 0

    def progress(self) -> list[Progress]:
        """Return how far each slot is: one copy, which waits for all passes before."""
        rows = self._rows
        shown = torch.stack([rows.is_running, rows.known - rows.entered, rows.draft_end - rows.draft_at, rows.known], 1)
        return [Progress(bool(running), *others) for running, *others in shown.tolist()]

    def finished(self, slots: Sequence[int]) -> list[Finished]:
        """Return the texts of slots that have stopped running."""
        chosen = torch.tensor(slots, device=self.weights.device)
        rows = Rows(self._rows.integers[chosen].cpu(), self._rows.reals[chosen].cpu())
        for n, slot in enumerate(slots):
            if rows.logprob[n].isnan():
                self._clear(slot)
        return [
            Finished(
                tuple(rows.tokens[n, int(rows.text[n]) : int(rows.known[n])].tolist()),
                tuple(rows.peaks[n, int(rows.text[n]) : int(rows.known[n])].tolist()),
                float(rows.logprob[n]),
                float(rows.no_speech[n]),
                int(rows.passes[n]),
                float(rows.times_logprob[n]),
            )
            for n in range(len(slots))
        ]

    def advance(self, shape: Pass, *, is_random: bool = False) -> None:
        """Let some of the rows take one pass; those that are not running stay as they are.

        Args:
            shape: which rows, and how many of their tokens. Of each running row all tokens that are known must fit in.
            is_random: whether any row has a temperature above 0.
        """
        rows = self._rows.part(shape.first, shape.count)
        guesses, is_guess = _guesses(rows, shape.chosen)
        places = rows.entered[:, None] + torch.arange(shape.width, device=rows.known.device)
        ahead = places - rows.known[:, None]
        entering = torch.where(ahead < 0, _at(rows.tokens, places), _at(guesses, ahead.clamp(min=0)))
        own, cross = self.own.rows(shape.first, shape.count), self.cross.rows(shape.first, shape.count, shape.cross)
        hidden, scores = decode(
            self.weights, own, cross, entering, rows.entered, min(shape.own, self.own.places), self.heads
        )
        # The states that choose: of the last known token, and of the drafted ones. A row that ended may have none.
        last_known = (rows.known - rows.entered - 1).clamp(min=0)
        choosing = last_known[:, None] + torch.arange(shape.chosen, device=places.device)
        logits = self._logits(_states(hidden, choosing))
        if not shape.is_step:
            self._note_no_speech(rows, hidden)
        history = self._history(rows, guesses)
        bias = self._term_bias(rows, guesses)
        choice = self.rules.choose(logits, history, rows.temperature if is_random else None, bias)
        # Nothing of a draft counts behind the end of the text, nor behind the limit.
        fits = (choosing[:, 1:] < shape.width) & (guesses[:, :-1] != self.rules.end)
        room = (rows.limit - rows.known - 1).clamp(min=0)
        accepted = _accepted(choice.tokens, guesses, is_guess, fits).minimum(room)
        if scores is not None:
            peaks = _peaks(scores, rows.content, shape.cross)
            self._keep(rows, rows.peaks, _at(peaks, choosing), accepted)
        self._keep(rows, rows.tokens, choice.tokens, accepted)
        self._settle(rows, choice, accepted)

    def _clear(self, slot: int) -> None:
        """Remove a slot's keys and values: NaN among them would reach later texts, since 0 · NaN is NaN."""
        self.own.keys_values[:, :, slot] = 0
        self.cross.keys_values[:, :, slot] = 0

    def _logits(self, states: Tensor) -> Tensor:
        return functional.linear(states, self.weights.embedding).float()

    def _note_no_speech(self, rows: Rows, hidden: Tensor) -> None:
        logits = self._logits(_states(hidden, (rows.start - rows.entered).clamp(min=0)[:, None]))[:, 0]
        probability = (logits[:, self.no_speech] - logits.logsumexp(-1)).exp()
        rows.no_speech[:] = torch.where(rows.entered == 0, probability, rows.no_speech)

    def _history(self, rows: Rows, guesses: Tensor) -> History:
        """Return what stands before each token that is to be chosen: known tokens, then those of the draft."""
        place = torch.arange(guesses.shape[1], device=guesses.device).expand(guesses.shape)
        last, before_last = (_at(rows.tokens, (rows.known - back).clamp(min=0)[:, None]) for back in (1, 2))
        sequence = torch.cat([before_last, last, guesses], 1)
        in_text = torch.arange(rows.tokens.shape[1], device=place.device) < rows.known[:, None]
        none = self.rules.first_time - 1
        times = rows.tokens.where(in_text & self.rules.is_time(rows.tokens), none).amax(1, keepdim=True)
        later = torch.cat([times, guesses.where(self.rules.is_time(guesses), none)], 1).cummax(1).values
        return History(
            previous=sequence[:, 1:-1],
            before_previous=sequence[:, :-2],
            last_time=later[:, :-1],
            length=(rows.known - rows.text)[:, None] + place,
            is_timed=rows.is_timed[:, None].bool().expand(place.shape),
        )

    def _term_bias(self, rows: Rows, guesses: Tensor) -> Bias | None:
        """Return what terms add to each token that is to be chosen."""
        if self.bias is None:
            return None
        back = torch.arange(-self.bias.capacity.term_tokens, 0, device=guesses.device)
        # Before the first token stands that token again, which is special, and so in no term.
        before = _at(rows.tokens, (rows.known[:, None] + back).clamp(min=0))
        return self.bias.at(rows.terms, before, guesses[:, :-1])

    def _keep(self, rows: Rows, kept: Tensor, chosen: Tensor, accepted: Tensor) -> None:
        """Put what belongs to the accepted tokens, and to the one after them, in its place."""
        ahead = torch.arange(chosen.shape[1], device=chosen.device)
        is_kept = (ahead <= accepted[:, None]) & rows.is_running[:, None].bool()
        dustbin = kept.shape[1] - 1
        places = torch.where(is_kept, rows.known[:, None] + ahead, dustbin).clamp(max=dustbin)
        kept.scatter_(1, places, chosen)

    def _settle(self, rows: Rows, choice: Choice, accepted: Tensor) -> None:
        """Count what was accepted, and move the draft on."""
        new = _at(choice.tokens, accepted[:, None])[:, 0]
        ahead = torch.arange(choice.tokens.shape[1], device=new.device)
        gained = choice.logprobs.where(ahead <= accepted[:, None], 0.0)
        gained_by_times = gained.where(self.rules.is_time(choice.tokens), 0.0)
        is_end = new == self.rules.end
        known = rows.known + accepted + (~is_end).long()
        is_over = is_end | (known >= rows.limit) | end_in_loops(rows.tokens, known, rows.text, rows.loop_tokens)
        running = rows.is_running.bool()
        expected = rows.draft_at + accepted
        near = expected[:, None] + self._offsets
        is_found = (_at(rows.draft, near.clamp(min=0)) == new[:, None]) & (near >= 0)
        is_inserted = self.rules.is_mark(new) & ~self.rules.is_mark(_at(rows.draft, expected[:, None])[:, 0])
        found = near.gather(1, is_found.long().argmax(1, keepdim=True))[:, 0] + 1
        draft_at = torch.where(is_found.any(1), found, expected + (~is_inserted).long()).minimum(rows.draft_end)
        rows.logprob += torch.where(running, gained.sum(1), 0.0)
        rows.times_logprob += torch.where(running, gained_by_times.sum(1), 0.0)
        rows.passes += rows.is_running
        rows.entered[:] = torch.where(running, (rows.known + accepted).minimum(known), rows.entered)
        rows.known[:] = torch.where(running, known, rows.known)
        rows.draft_at[:] = torch.where(running, draft_at, rows.draft_at)
        rows.is_running[:] = (running & ~is_over).long()


def _guesses(rows: Rows, chosen: int) -> tuple[Tensor, Tensor]:
    """Return the next tokens of each draft, and which of them there are; both are [B, chosen]."""
    places = rows.draft_at[:, None] + torch.arange(chosen, device=rows.known.device)
    return _at(rows.draft, places), places < rows.draft_end[:, None]


def _accepted(chosen: Tensor, guesses: Tensor, is_guess: Tensor, fits: Tensor) -> Tensor:
    """Return how many tokens of each draft were chosen too, int64[B]; behind the last of them there is a choice."""
    agrees = (chosen == guesses)[:, :-1] & is_guess[:, :-1] & fits
    return agrees.long().cumprod(1).sum(1)


def _peaks(scores: Tensor, content: Tensor, positions: int) -> Tensor:
    """Return the position that each token attends to most, int64[B, Q].

    Args:
        scores: [B, heads, Q, positions].
        content: int64[B], positions that hold audio.
        positions: of the scores.
    """
    is_audio = (torch.arange(positions, device=scores.device) < content[:, None])[:, None, None]
    attention = scores.float().masked_fill(~is_audio, -torch.inf).softmax(-1).mean(1)
    smooth = functional.avg_pool1d(attention, SMOOTHED, stride=1, padding=SMOOTHED // 2)
    return smooth.argmax(-1).minimum(content[:, None] - 1)


def _at(values: Tensor, places: Tensor) -> Tensor:
    """Return values[b, places[b, n]]; places beyond the last are the last."""
    return values.gather(1, places.clamp(max=values.shape[1] - 1))


def _states(hidden: Tensor, places: Tensor) -> Tensor:
    """Return hidden[b, places[b, n]], [B, N, width]; places beyond the last are the last."""
    places = places.clamp(max=hidden.shape[1] - 1)
    return hidden.gather(1, places[..., None].expand(-1, -1, hidden.shape[2]))
