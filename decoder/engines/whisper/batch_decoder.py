"""Whisper's answers: requests of different sessions decoded together, and again where the first answer is no speech."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from decoder.audio_checks import refused_audio
from decoder.engine import EngineWork
from decoder.engines.whisper.batch_plan import (
    FULL_WINDOW_FRAMES,
    Before,
    Plan,
    Window,
    runs,
    token_limit,
    window_frames,
)
from decoder.engines.whisper.committed_words import keep_promises
from decoder.engines.whisper.continuation import rest_of, so_far
from decoder.engines.whisper.hypothesis_words import final_words, partial_words
from decoder.engines.whisper.language_detection import SessionLanguages, judge_language
from decoder.engines.whisper.network import Encoded, Heard, Network
from decoder.engines.whisper.prompt_tokens import context_of, free_of_prompts, goes_on_from, without_prompt
from decoder.engines.whisper.repetition import is_doubtful, is_loop
from decoder.engines.whisper.utterance_cache import UtteranceStore
from decoder.settings import EngineSettings
from decoder.truncation import Cut, carried_on, find_cut, wants_cut
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, RequestKind, Task, Word

__all__ = ["BatchDecoder", "Decoded"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came of a batch.

    Attributes:
        answers: one a request, in the batch's order.
        learned: session → what is known of its languages now.
    """

    answers: tuple[Hypothesis | EngineError, ...]
    learned: dict[str, SessionLanguages]


class BatchDecoder:
    """A loaded model that answers requests. Not thread-safe: one call at a time."""

    def __init__(
        self, network: Network, settings: EngineSettings, utterances: UtteranceStore, work: EngineWork
    ) -> None:
        """Get ready.

        Args:
            network: its own; other decoders may share the model.
            settings: how it decodes.
            utterances: what is kept of those that still grow; other decoders may share it.
            work: where what is done is counted.
        """
        self._network = network
        self._settings = settings
        self._utterances = utterances
        self._work = work
        self.translates = network.is_multilingual
        self.languages = self._network.languages

    def close(self) -> None:
        """Free the weights, for all that share them; none of them may be at work."""
        self._network.close()

    def decode(
        self, batch: Sequence[DecodeRequest], known: Mapping[str, SessionLanguages], proceed: Callable[[], None]
    ) -> Decoded:
        """Return one answer a request, in the same order.

        Args:
            batch: any mixture of requests.
            known: session → what is known of its languages.
            proceed: called between the steps; what it raises ends the decode.
        """
        answers: dict[int, Hypothesis | EngineError] = {}
        plans = []
        for place, request in enumerate(batch):
            planned = self._plan(place, request)
            if isinstance(planned, Plan):
                plans.append(planned)
            else:
                answers[place] = planned
        learned: dict[str, SessionLanguages] = {}
        try:
            while plans:
                plans.sort(key=lambda plan: (plan.group, plan.request.language or ""))
                heard = self._hear(plans, known, learned, proceed)
                heard = free_of_prompts(self._widened(heard, proceed), self._network, self._work, proceed)
                heard = keep_promises(self._reconsidered(heard, proceed), self._network, proceed)
                answers |= self._partials(heard, proceed)
                finals, plans = self._finals(heard, proceed)
                answers |= finals
        except (RuntimeError, ValueError, MemoryError) as error:
            answers |= {plan.place: _failed(error) for plan in plans}
        for request in batch:
            if request.kind.ends_utterance:
                self._utterances.drop(request)
        return Decoded(tuple(answers[place] for place in range(len(batch))), learned)

    def _plan(self, place: int, request: DecodeRequest) -> Plan | Hypothesis | EngineError:
        error = refused_audio(request.samples)
        if error is not None:
            return error
        if request.task is Task.TRANSLATE and not self.translates:
            return EngineFailed("task translate: this model knows one language, and writes what was said")
        language = request.language
        if language is not None and language not in self.languages:
            return EngineFailed(f"language {language!r}: the model writes {', '.join(self.languages)}")
        if len(request.samples) == 0:
            return _hypothesis(request, words=request.forced, language=language)
        is_partial = request.kind is RequestKind.PARTIAL
        window = self._window(request)
        cuts = is_partial and window == "trimmed"
        said, request = carried_on(request, self._utterances.cut(request) if cuts else None)
        try:
            context = context_of(request.prompt, said, self._network)
            prefix = tuple(self._network.tokens(word.text) for word in request.forced)
        except (TypeError, ValueError) as text_error:  # lone surrogates
            return EngineFailed(f"prompt or prefix is no text: {text_error}")
        if sum(map(len, prefix)) >= token_limit(len(request.samples)):  # no room for another word
            return _hypothesis(request, words=said + request.forced, language=language)
        beam_size = 1 if is_partial else self._settings.final_beam_size
        frames = window_frames(len(request.samples), window)
        return Plan(place, request, Before(said), context, prefix, beam_size, frames)

    def _window(self, request: DecodeRequest) -> Window:
        settings = self._settings
        if request.kind is RequestKind.PARTIAL:
            return settings.partial_window
        return settings.hasty_final_window if request.in_haste else settings.final_window

    def _hear(
        self,
        plans: list[Plan],
        known: Mapping[str, SessionLanguages],
        learned: dict[str, SessionLanguages],
        proceed: Callable[[], None],
    ) -> list[Heard]:
        sounds = self._encode(plans, proceed)
        return self._generate(plans, sounds, self._languages(plans, sounds, known, learned), proceed)

    def _encode(self, plans: Sequence[Plan], proceed: Callable[[], None]) -> list[Encoded]:
        sounds: dict[int, Encoded] = {}
        by_length = sorted(range(len(plans)), key=lambda row: plans[row].frames)
        for first, end in runs([plans[row].frames for row in by_length]):
            proceed()
            started_s = time.thread_time()
            rows, filters = by_length[first:end], self._network.mel_filters
            log_mels = [self._utterances.window(plans[row].request, filters, plans[row].frames) for row in rows]
            self._work.features_s += time.thread_time() - started_s
            sounds.update(zip(rows, self._network.encode(log_mels), strict=True))
        return [sounds[row] for row in range(len(plans))]

    def _languages(
        self,
        plans: Sequence[Plan],
        sounds: Sequence[Encoded],
        known: Mapping[str, SessionLanguages],
        learned: dict[str, SessionLanguages],
    ) -> list[str]:
        if not self._network.is_multilingual:
            return ["en"] * len(plans)
        detected: dict[int, Mapping[str, float]] = {}

        def detect(row: int) -> Mapping[str, float]:
            if not detected:  # all at once
                rows = [row for row, plan in enumerate(plans) if plan.request.language is None]
                found = self._network.detect_language([sounds[row] for row in rows])
                detected.update(zip(rows, found, strict=True))
            return detected[row]

        languages = [""] * len(plans)
        # In the batch's order, so that a session's later request knows what the earlier one has taught.
        for row in sorted(range(len(plans)), key=lambda row: plans[row].place):
            request = plans[row].request
            languages[row] = request.language or ""
            if request.language is None:
                session_id = request.session_id
                session = learned.get(session_id) or known.get(session_id) or SessionLanguages()
                languages[row], learned[session_id] = judge_language(session, request, partial(detect, row))
        return languages

    def _generate(
        self, plans: Sequence[Plan], sounds: Sequence[Encoded], languages: Sequence[str], proceed: Callable[[], None]
    ) -> list[Heard]:
        heard: list[Heard] = []
        for first, end in runs([plan.group for plan in plans]):
            proceed()
            temperature = plans[first].request.temperature
            heard += self._network.generate(plans[first:end], sounds[first:end], languages[first:end], temperature)
        return heard

    def _widened(self, heard: list[Heard], proceed: Callable[[], None]) -> list[Heard]:
        """Return what was heard, loops of a trimmed window heard anew in the full one."""
        loops = [
            replace(item, plan=replace(item.plan, frames=FULL_WINDOW_FRAMES))
            for item in heard
            if item.plan.frames < FULL_WINDOW_FRAMES and self._is_loop(item)
        ]
        if not loops:
            return heard
        loops.sort(key=lambda item: item.plan.group)
        plans = [item.plan for item in loops]
        self._work.redecoded += len(plans)
        languages = [item.language for item in loops]
        widened = self._generate(plans, self._encode(plans, proceed), languages, proceed)
        by_place = {item.plan.place: item for item in widened}
        return [by_place.get(item.plan.place, item) for item in heard]

    def _reconsidered(self, heard: list[Heard], proceed: Callable[[], None]) -> list[Heard]:
        """Return what was heard, doubtful finals heard anew at higher temperatures."""
        return [item if item.plan.is_partial else self._least_doubtful(item, proceed) for item in heard]

    def _least_doubtful(self, heard: Heard, proceed: Callable[[], None]) -> Heard:
        tried = [heard]
        asked = heard.plan.request.temperature
        plan = without_prompt(heard.plan, self._network)  # a doubtful answer drawn by chance is soon the prompt
        for temperature in (t for t in self._settings.final_temperatures if t > asked):
            if not self._is_doubtful(tried[-1]):
                break
            proceed()
            tried += self._network.generate([plan], [heard.encoded], [heard.language], temperature)
            self._work.redecoded += 1
        if not self._is_doubtful(tried[-1]):
            return tried[-1]
        return max(tried, key=lambda item: (not self._is_loop(item), item.avg_logprob or 0.0))

    def _is_loop(self, heard: Heard) -> bool:
        return is_loop(self._network.text(heard.tokens), heard.tokens, len(heard.plan.request.samples))

    def _is_doubtful(self, heard: Heard) -> bool:
        return is_doubtful(self._network.text(heard.tokens), heard.avg_logprob, heard.no_speech_probability)

    def _partials(self, heard: list[Heard], proceed: Callable[[], None]) -> dict[int, Hypothesis]:
        """Return the answers to partials, and remember where the long ones are cut from now on."""
        partials = [item for item in heard if item.plan.is_partial]
        answers = {
            item.plan.place: _answer(item, partial_words(item, self._network.speller(item))) for item in partials
        }
        if self._settings.partial_window == "trimmed":
            for item, words in self._timed([item for item in partials if wants_cut(item.plan.request)], proceed):
                self._cut(item, words)
        return answers

    def _finals(self, heard: list[Heard], proceed: Callable[[], None]) -> tuple[dict[int, Hypothesis], list[Plan]]:
        """Return the answers to finals that are complete, and plans of what is left of the others."""
        answers: dict[int, Hypothesis] = {}
        plans: list[Plan] = []
        for item, words in self._timed([item for item in heard if not item.plan.is_partial], proceed):
            rest_samples = rest_of(item)
            if rest_samples is None:
                answers[item.plan.place] = _answer(item, words)
            else:
                plans.append(self._rest(item, words, rest_samples))
        return answers, plans

    def _rest(self, heard: Heard, words: tuple[Word, ...], first: int) -> Plan:
        """Return the plan of the audio after `first` samples, what was said before being its context."""
        plan, request = heard.plan, heard.plan.request
        rest = replace(
            request,
            samples=request.samples[first:],
            start_sample=request.start_sample + first,
            language=heard.language,
        )
        context = goes_on_from((*plan.context[1:], *heard.tokens), self._network)
        frames = window_frames(len(rest.samples), self._window(request))
        return replace(plan, request=rest, before=so_far(heard, words), context=context, frames=frames)

    def _timed(self, heard: list[Heard], proceed: Callable[[], None]) -> Iterator[tuple[Heard, tuple[Word, ...]]]:
        # `align` takes one start sequence a call, which names language and task
        heard = sorted(heard, key=lambda item: (item.language, item.plan.request.task))
        for first, end in runs([(item.language, item.plan.request.task) for item in heard]):
            proceed()
            for item, (path, probabilities) in zip(
                heard[first:end], self._network.align(heard[first:end]), strict=True
            ):
                yield item, final_words(item, self._network.speller(item), path, probabilities)

    def _cut(self, heard: Heard, words: tuple[Word, ...]) -> None:
        request = heard.plan.request
        found = find_cut(words, len(request.prefix), request.samples, request.start_sample)
        if found is not None:
            count, sample = found
            said = (*heard.plan.before.words, *request.prefix[:count])
            self._utterances.keep_cut(request, Cut(sample, tuple(word.text for word in said)))


def _answer(heard: Heard, words: tuple[Word, ...]) -> Hypothesis:
    whole = so_far(heard, words)
    avg_logprob = whole.logprob / whole.tokens if whole.tokens else None
    return _hypothesis(heard.plan.request, whole.words, heard.language, avg_logprob, whole.no_speech_probability)


def _hypothesis(
    request: DecodeRequest,
    words: tuple[Word, ...],
    language: str | None,
    avg_logprob: float | None = None,
    no_speech_probability: float | None = None,
) -> Hypothesis:
    return Hypothesis(
        request.session_id,
        request.utterance_id,
        request.revision,
        words,
        language=language,
        avg_logprob=avg_logprob,
        no_speech_probability=no_speech_probability,
    )


def _failed(error: Exception) -> EngineFailed:
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        advice = "a smaller model, an int8 compute type or a smaller batch needs less"
        failed = EngineFailed(f"Whisper ran out of memory: {advice}")
    else:
        failed = EngineFailed(f"Whisper failed: {error}")
    failed.__cause__ = error
    return failed
