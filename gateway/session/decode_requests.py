"""Builds the decode requests of one pipeline. PURE."""

from collections.abc import Sequence

from decoder.prompts import condense_prompt
from decoder.types import DecodeRequest, RequestKind, Word
from gateway.wire import Start
from gateway.wire.language_choice import LanguageChoice
from vad.events import SpeechEvent

__all__ = ["DecodeRequests"]


class DecodeRequests:
    """Numbers the requests of each utterance, and fills in what the client wants.

    Args:
        session_id: who asks the engine.
        start: what the client wants.
        languages: in which it is decoded.
    """

    def __init__(self, session_id: str, start: Start, languages: LanguageChoice) -> None:
        self.languages = languages
        self.revision = 0
        """Of the last request of the utterance being spoken."""
        self._session_id = session_id
        self._start = start
        self._prompt = condense_prompt(start.prompt)

    def update(self, start: Start, languages: LanguageChoice) -> None:
        """Take over other options."""
        self._start, self._prompt, self.languages = start, condense_prompt(start.prompt), languages

    def begin_utterance(self, revision: int) -> None:
        """Number the requests of a new utterance from after a revision on."""
        self.revision = revision

    def build(
        self, event: SpeechEvent, kind: RequestKind, deadline_s: float, prefix: Sequence[Word], *, in_haste: bool
    ) -> DecodeRequest:
        """Return the next request for the utterance being spoken.

        Args:
            event: its audio so far.
            kind: of the request.
            deadline_s: on the scheduler's clock.
            prefix: its committed words.
            in_haste: whether the engine is far behind.
        """
        self.revision += 1
        return DecodeRequest(
            session_id=self._session_id,
            utterance_id=event.utterance_id,
            revision=self.revision,
            kind=kind,
            samples=event.samples,
            start_sample=event.start_sample,
            deadline_s=deadline_s,
            language=self.languages.code,
            languages=self.languages.allowed,
            prompt=self._prompt,
            prefix=tuple(prefix),
            in_haste=in_haste,
            speech_probability=event.speech_probability,
            ends_in_speech=event.voiced_end_sample >= event.end_sample,
            task=self._start.task,
            temperature=self._start.temperature,
        )
