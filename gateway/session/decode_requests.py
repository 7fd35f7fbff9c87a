"""Builds the decode requests of one pipeline. PURE."""

from collections.abc import Sequence
from dataclasses import replace

from decoder.prompts import condense_prompt
from decoder.types import DecodeRequest, RequestKind, Word
from gateway.settings import SessionSettings
from gateway.wire import Start
from gateway.wire.language_choice import LanguageChoice
from vad.events import SpeechEvent

__all__ = ["DecodeRequests"]


class DecodeRequests:
    """Numbers the requests of each utterance, and fills in the client's options and the deadlines.

    Args:
        session_id: under which the engine is asked.
        start: the client's options.
        languages: to decode in.
        settings: the deadlines.
    """

    def __init__(self, session_id: str, start: Start, languages: LanguageChoice, settings: SessionSettings) -> None:
        self.languages = languages
        self.revision = 0
        """Of the last request of the current utterance."""
        self.final_kind = RequestKind.FILE if start.file else RequestKind.FINAL
        """Kind of the requests for finals."""
        self._session_id = session_id
        self._start = start
        self._settings = settings
        self._prompt = condense_prompt(start.prompt)

    def update(self, start: Start, languages: LanguageChoice) -> None:
        """Change the options."""
        self._start, self._prompt, self.languages = start, condense_prompt(start.prompt), languages

    def begin_utterance(self, revision: int) -> None:
        """Begin a new utterance; its first request gets the number after this revision."""
        self.revision = revision

    def build(
        self, event: SpeechEvent, kind: RequestKind, now_s: float, prefix: Sequence[Word], *, in_haste: bool
    ) -> DecodeRequest:
        """Return the next request of the current utterance.

        Args:
            event: its audio so far.
            kind: of the request.
            now_s: on the scheduler's clock.
            prefix: the utterance's committed words.
            in_haste: whether the engine is behind.
        """
        self.revision += 1
        return DecodeRequest(
            session_id=self._session_id,
            utterance_id=event.utterance_id,
            revision=self.revision,
            kind=kind,
            samples=event.samples,
            start_sample=event.start_sample,
            deadline_s=self._deadline_s(kind, now_s),
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

    def retry(self, failed: DecodeRequest, now_s: float) -> DecodeRequest:
        """Return a request for a final, of the same audio as a failed request and one revision later.

        Args:
            failed: of an utterance that has ended.
            now_s: on the scheduler's clock.
        """
        kind = self.final_kind
        return replace(failed, kind=kind, revision=failed.revision + 1, deadline_s=self._deadline_s(kind, now_s))

    def _deadline_s(self, kind: RequestKind, now_s: float) -> float:
        settings = self._settings
        return now_s + (settings.partial_deadline_s if kind is RequestKind.PARTIAL else settings.final_deadline_s)
