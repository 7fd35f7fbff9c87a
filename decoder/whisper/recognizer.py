"""Recognize speech: encode the audio of requests, detect languages, and decode doubtful texts again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from decoder.settings import EngineSettings
from decoder.whisper.batch_plan import FULL_WINDOW_FRAMES, Plan, runs
from decoder.whisper.committed_words import keep_promises
from decoder.whisper.language_detection import SessionLanguages, judge_language
from decoder.whisper.network import Encoded, Generated, Network
from decoder.whisper.prompt_tokens import free_of_prompts, without_prompt
from decoder.whisper.repetition import is_doubtful, is_loop

__all__ = ["Recognizer"]


class Recognizer:
    """Turns plans into texts. Not thread-safe: one call at a time.

    Args:
        network: for this recognizer alone; its model may be shared.
        settings: of the engine.
    """

    def __init__(self, network: Network, settings: EngineSettings) -> None:
        self._network = network
        self._settings = settings

    def recognize(
        self,
        plans: Sequence[Plan],
        known: Mapping[str, SessionLanguages],
        learned: dict[str, SessionLanguages],
        proceed: Callable[[], None],
    ) -> list[Generated]:
        """Return the text of each plan, in the order of the plans.

        Args:
            plans: those of one group next to each other.
            known: session → its language state before the batch.
            learned: session → its new language state; updated in place.
            proceed: called between the steps; an exception from it ends the decode.
        """
        encoded = self._encode(plans, proceed)
        texts = self._generate(plans, encoded, self._languages(plans, encoded, known, learned), proceed)
        texts = free_of_prompts(self._widened(texts, proceed), self._network, proceed)
        return keep_promises(self._reconsidered(texts, proceed), self._network, proceed)

    def _encode(self, plans: Sequence[Plan], proceed: Callable[[], None]) -> list[Encoded]:
        proceed()
        return self._network.encode(plans)

    def _languages(
        self,
        plans: Sequence[Plan],
        encoded: Sequence[Encoded],
        known: Mapping[str, SessionLanguages],
        learned: dict[str, SessionLanguages],
    ) -> list[str]:
        if not self._network.vocabulary.is_multilingual:
            return ["en"] * len(plans)
        detected: dict[int, Mapping[str, float]] = {}

        def detect(row: int) -> Mapping[str, float]:
            if not detected:  # all at once
                rows = [row for row, plan in enumerate(plans) if plan.request.language is None]
                found = self._network.detect_language([encoded[row] for row in rows])
                detected.update(zip(rows, found, strict=True))
            return detected[row]

        languages = [""] * len(plans)
        # In the batch's order, so that a session's later request uses the result of the earlier one.
        for row in sorted(range(len(plans)), key=lambda row: plans[row].place):
            request = plans[row].request
            languages[row] = request.language or ""
            if request.language is None:
                session_id = request.session_id
                session = learned.get(session_id) or known.get(session_id) or SessionLanguages()
                languages[row], learned[session_id] = judge_language(session, request, partial(detect, row))
        return languages

    def _generate(
        self, plans: Sequence[Plan], encoded: Sequence[Encoded], languages: Sequence[str], proceed: Callable[[], None]
    ) -> list[Generated]:
        texts: list[Generated] = []
        for first, end in runs([plan.group for plan in plans]):
            proceed()
            temperature = plans[first].request.temperature
            texts += self._network.generate(plans[first:end], encoded[first:end], languages[first:end], temperature)
        return texts

    def _widened(self, texts: list[Generated], proceed: Callable[[], None]) -> list[Generated]:
        """Return the texts, with loops of a trimmed window decoded again in the full one."""
        loops = [
            replace(item, plan=replace(item.plan, frames=FULL_WINDOW_FRAMES))
            for item in texts
            if item.plan.frames < FULL_WINDOW_FRAMES and self._is_loop(item)
        ]
        if not loops:
            return texts
        loops.sort(key=lambda item: item.plan.group)
        plans = [item.plan for item in loops]
        self._network.work.redecoded += len(plans)
        languages = [item.language for item in loops]
        widened = self._generate(plans, self._encode(plans, proceed), languages, proceed)
        by_place = {item.plan.place: item for item in widened}
        return [by_place.get(item.plan.place, item) for item in texts]

    def _reconsidered(self, texts: list[Generated], proceed: Callable[[], None]) -> list[Generated]:
        """Return the texts, with doubtful finals decoded again at higher temperatures."""
        return [item if item.plan.is_partial else self._least_doubtful(item, proceed) for item in texts]

    def _least_doubtful(self, first: Generated, proceed: Callable[[], None]) -> Generated:
        attempts = [first]
        requested = first.plan.request.temperature
        # Sampling a doubtful text tends to reproduce the prompt.
        plan = without_prompt(first.plan, self._network.vocabulary)
        for temperature in (t for t in self._settings.final_temperatures if t > requested):
            if not self._is_doubtful(attempts[-1]):
                break
            proceed()
            attempts += self._network.generate([plan], [first.encoded], [first.language], temperature)
            self._network.work.redecoded += 1
        if not self._is_doubtful(attempts[-1]):
            return attempts[-1]
        return max(attempts, key=lambda item: (not self._is_loop(item), item.avg_logprob or 0.0))

    def _is_loop(self, text: Generated) -> bool:
        return is_loop(self._network.vocabulary.text(text.tokens), text.tokens, len(text.plan.request.samples))

    def _is_doubtful(self, text: Generated) -> bool:
        return is_doubtful(self._network.vocabulary.text(text.tokens), text.avg_logprob, text.no_speech_probability)
