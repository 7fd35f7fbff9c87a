"""Whisper's network in torch: one slot of a device, as the shared decoder of Whisper uses it."""

from collections.abc import Sequence
from typing import TypeVar

from decoder.engine import EngineWork
from decoder.engines.torch_whisper.device_loop import DeviceLoop
from decoder.engines.torch_whisper.jobs import Align, Detect, Generate, Job, Search, Window
from decoder.engines.torch_whisper.loops import CERTAIN_LOOP_TOKENS, LOOP_TOKENS
from decoder.engines.torch_whisper.slots import Finished, Start
from decoder.types import RequestKind
from decoder.whisper.batch_plan import (
    CONTEXT_TOKENS,
    FRAMES_PER_SECOND,
    FULL_WINDOW_FRAMES,
    POSITION_SAMPLES,
    Plan,
)
from decoder.whisper.batch_plan import Window as WindowKind
from decoder.whisper.network import Alignment, Encoded, Generated
from decoder.whisper.repetition import repeats_itself
from decoder.whisper.timestamp_tokens import split_times
from decoder.whisper.vocabulary import Vocabulary

__all__ = ["TorchNetwork"]

FULL_POSITIONS = FULL_WINDOW_FRAMES // 2

MARGIN_POSITIONS = 64
"""1.28 s of silence behind the audio in a trimmed window, before the silence that is grafted on. With none a few more
words are wrong (tiny.en 8.7 : 8.3 %, base 7.4 : 7.1 %)."""

BUCKET_POSITIONS = 64
"""Windows are rounded up to it, so that those of several sessions are of one length."""

UNSURE_AVG_LOGPROB = -0.1
"""Nats per token of the words, timestamps left out: below it a final is searched for with beams. Of base's finals eight
in ten are, and of tiny.en's; their words are as right as with beams for all. With -0.15, half of base's are: as right
in English, but of 1607 words in other languages 257 are wrong instead of 248. By all tokens, nine in ten would be
searched for as accurate a text: timestamps are always unlikely."""

URGENCY = {RequestKind.FINAL: 0, RequestKind.EAGER: 1, RequestKind.PARTIAL: 2, RequestKind.FILE: 3}

MOST_URGENT = (-1, 0.0)
"""What a text that is begun still needs: it takes one pass, and frees a slot."""

Answer = TypeVar("Answer")


class TorchNetwork:
    """One slot. The contract is `decoder.whisper.network.Network`'s; other threads use other slots at the same time."""

    verifies_drafts = True

    def __init__(self, loop: DeviceLoop, slot: int, vocabulary: Vocabulary) -> None:
        """Use a slot.

        Args:
            loop: of the device.
            slot: for this network alone.
            vocabulary: of the model.
        """
        self._loop = loop
        self._slot = slot
        self._in_slot: Encoded | None = None
        self.vocabulary = vocabulary
        self.work = EngineWork()

    @property
    def is_usable(self) -> bool:
        """Whether the device's loop serves."""
        return self._loop.is_usable

    def close(self) -> None:
        """End the device's loop, which the networks of its slots share."""
        self._loop.close()

    def window_frames(self, audio_samples: int, window: WindowKind) -> int:
        """Return the frames that audio of that length is padded to."""
        needed = -(-audio_samples // POSITION_SAMPLES) + MARGIN_POSITIONS
        trimmed = -(-needed // BUCKET_POSITIONS) * BUCKET_POSITIONS
        return 2 * (FULL_POSITIONS if window == "full" else min(trimmed, FULL_POSITIONS))

    def encode(self, plans: Sequence[Plan]) -> list[Encoded]:
        """Return the window of each plan; it is encoded when it is first used."""
        return [Window(plan.request.samples, plan.frames // 2) for plan in plans]

    def detect_language(self, encoded: Sequence[Encoded]) -> list[dict[str, float]]:
        """Return for each window the probability of each language, 0..1."""
        tokens = [self.vocabulary.token(f"<|{code}|>") for code in self.vocabulary.languages]
        known = tuple(token for token in tokens if token is not None)
        found = []
        for window in encoded:
            job = Detect(slot=self._slot, urgency=MOST_URGENT, sot=self.vocabulary.sot, tokens=known)
            probabilities = self._computed(job, window)
            found.append(dict(zip(self.vocabulary.languages, probabilities, strict=True)))
        return found

    def generate(
        self, plans: Sequence[Plan], encoded: Sequence[Encoded], languages: Sequence[str], temperature: float = 0.0
    ) -> list[Generated]:
        """Return the text of each window.

        Args:
            plans: of the windows.
            encoded: the windows.
            languages: their ISO-639-1 codes.
            temperature: 0: the most likely text; above 0: a random sample.
        """
        return [
            self._generated(plan, window, language, temperature)
            for plan, window, language in zip(plans, encoded, languages, strict=True)
        ]

    def align(self, texts: Sequence[Generated]) -> list[Alignment]:
        """Return where each text lies in its audio."""
        return [self._aligned(text, [[*text.plan.prefix_tokens, *text.tokens]])[0] for text in texts]

    def score(self, text: Generated, alternatives: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the probability of each token of each alternative text of the same audio, 0..1."""
        return [list(aligned.probabilities) for aligned in self._aligned(text, alternatives)]

    def _aligned(self, text: Generated, alternatives: Sequence[Sequence[int]]) -> list[Alignment]:
        job = Align(
            slot=self._slot,
            urgency=MOST_URGENT,
            prompt=(*self.vocabulary.start(text.plan, text.language), self.vocabulary.no_timestamps),
            texts=alternatives,
            content=_content(text.plan),
        )
        return self._computed(job, text.encoded)

    def _generated(self, plan: Plan, window: Encoded, language: str, temperature: float) -> Generated:
        urgency = (URGENCY[plan.request.kind], plan.request.deadline_s)
        start = self._start(plan, language, temperature)
        found = self._computed(Generate(slot=self._slot, urgency=urgency, start=start), window)
        is_unsure = plan.beam_size > 1 and not temperature and self._words_avg_logprob(found) < UNSURE_AVG_LOGPROB
        if is_unsure and not (plan.frames < FULL_WINDOW_FRAMES and repeats_itself(found.tokens)):  # soon decoded again
            search = Search(slot=self._slot, urgency=urgency, start=start, beams=plan.beam_size)
            found = self._computed(search, window)
        text = split_times(found.tokens, self.vocabulary.first_time)
        pairs = zip(found.tokens, found.peaks, strict=True) if plan.is_partial else ()
        return Generated(
            plan,
            window,
            language,
            tuple(token for token in text.tokens if token < self.vocabulary.eot),
            text.rest_sample,
            _avg_logprob(found) if plan.prefix or found.tokens else None,
            found.no_speech_probability,
            tuple(peak for token, peak in pairs if token < self.vocabulary.eot) if plan.is_partial else None,
        )

    def _words_avg_logprob(self, found: Finished) -> float:
        words = sum(token < self.vocabulary.first_time for token in found.tokens)
        return (found.logprob - found.times_logprob) / (words + 1)

    def _start(self, plan: Plan, language: str, temperature: float) -> Start:
        begun = (*self.vocabulary.start(plan, language), *self.vocabulary.before_text(plan))
        forced, is_timed = plan.prefix_tokens, not plan.is_partial
        room = CONTEXT_TOKENS - len(begun) - len(forced) - 1  # the text goes on for a token at least
        context = (*plan.context[:1], *plan.context[1:][-(room - 1) :])
        prompt = (*context, *begun)
        draft = () if temperature else plan.draft[: CONTEXT_TOKENS // 2]
        return Start(
            prompt=prompt,
            start=len(context),
            forced=forced,
            draft=(self.vocabulary.first_time, *draft) if draft and is_timed else draft,
            limit=max(1, min(plan.limit, CONTEXT_TOKENS - len(prompt)) - len(forced)),
            is_timed=is_timed,
            temperature=temperature,
            content=_content(plan),
            loop_tokens=CERTAIN_LOOP_TOKENS if plan.frames == FULL_WINDOW_FRAMES else LOOP_TOKENS,
        )

    def _computed(self, job: Job[Answer], encoded: Encoded) -> Answer:
        """Return the answer to a job, computed in the slot with that window in it."""
        assert isinstance(encoded, Window)
        future = job.answer
        assert isinstance(job, Generate | Search | Detect | Align)
        if self._in_slot is not encoded:
            job.window = encoded
            self.work.encoder_s += encoded.positions * 2 / FRAMES_PER_SECOND
        self._in_slot = None  # until it is known that it is
        self._loop.submit(job)
        answer = future.result()
        self._in_slot = encoded
        if isinstance(answer, Finished):
            self.work.decoder_steps += answer.passes
        return answer


def _avg_logprob(found: Finished) -> float:
    return min(found.logprob / (len(found.tokens) + 1), 0.0)


def _content(plan: Plan) -> int:
    """Return the positions that hold audio, at least one."""
    return min(max(1, len(plan.request.samples) // POSITION_SAMPLES), plan.frames // 2)
