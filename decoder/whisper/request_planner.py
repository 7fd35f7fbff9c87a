"""Plan the decode of a request: its window, its context and the committed words that its text begins with."""

from itertools import chain

from decoder.audio_checks import refused_audio
from decoder.settings import EngineSettings
from decoder.truncation import carried_on
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, RequestKind, Task
from decoder.whisper.batch_plan import Before, Plan, Window, token_limit
from decoder.whisper.network import Network
from decoder.whisper.prompt_tokens import context_of
from decoder.whisper.utterance_cache import UtteranceStore

__all__ = ["RequestPlanner"]


class RequestPlanner:
    """Turns requests into plans.

    Args:
        network: whose vocabulary and languages the plans use.
        settings: of the engine.
        utterances: cached state of the utterances in progress.
    """

    def __init__(self, network: Network, settings: EngineSettings, utterances: UtteranceStore) -> None:
        self._network = network
        self._settings = settings
        self._utterances = utterances

    def plan(self, place: int, request: DecodeRequest) -> Plan | Hypothesis | EngineError:
        """Return the plan of a request, or its answer if it is invalid or there is nothing to decode.

        Args:
            place: index of the request in its batch.
            request: of any kind.
        """
        error = refused_audio(request.samples)
        if error is not None:
            return error
        if request.task is Task.TRANSLATE and not self._network.vocabulary.is_multilingual:
            return EngineFailed("task translate: this model is monolingual and only transcribes")
        language, languages = request.language, self._network.vocabulary.languages
        if language is not None and language not in languages:
            return EngineFailed(f"language {language!r} is not supported: expected one of {', '.join(languages)}")
        if len(request.samples) == 0:
            return Hypothesis.answering(request, request.forced, language)
        is_partial = request.kind is RequestKind.PARTIAL
        window = self.window(request)
        cuts = is_partial and window == "trimmed"
        before, request = carried_on(request, self._utterances.cut(request) if cuts else None)
        try:
            context = context_of(request.prompt, before, self._network.vocabulary)
            prefix = tuple(self._network.vocabulary.tokens(word.text) for word in request.forced)
        except (TypeError, ValueError) as text_error:  # lone surrogates
            return EngineFailed(f"invalid text in prompt or prefix: {text_error}")
        if sum(map(len, prefix)) >= token_limit(len(request.samples)):  # no room for another word
            return Hypothesis.answering(request, before + request.forced, language)
        beam_size = 1 if is_partial else self._settings.final_beam_size
        frames = self._network.window_frames(len(request.samples), window)
        draft = chain.from_iterable(self._utterances.hypothesis(request)[len(before) + len(prefix) :])
        return Plan(place, request, Before(before), context, prefix, beam_size, frames, tuple(draft))

    def window(self, request: DecodeRequest) -> Window:
        """Return the window that a request is decoded in."""
        settings = self._settings
        if request.kind is RequestKind.PARTIAL:
            return settings.partial_window
        return settings.hasty_final_window if request.in_haste else settings.final_window
