"""Decides which decode requests the utterances of one pipeline get. PURE."""

from decoder.scheduler import Answer
from decoder.types import DecodeRequest, RequestKind
from gateway.captions.captioner import Captioner
from gateway.session.decode_requests import DecodeRequests
from gateway.session.eager_finals import EagerFinals
from gateway.session.partial_pacing import PartialPacing
from gateway.session.retry_policy import RetryPolicy
from gateway.session.session_warnings import SessionWarnings
from gateway.wire import Start
from vad.events import EndReason, SpeechEnded, SpeechEvent, SpeechPaused, SpeechProgress

__all__ = ["RequestPolicy"]


class RequestPolicy:
    """Requests partials, eager finals and finals, and retries where a request has failed.

    Args:
        start: the client's options.
        requests: builds them.
        captioner: has the committed words, and the utterances that wait for a request.
        pacing: of partials.
        warnings: whether the session is behind.
        has_eager_finals: whether the settings allow them, and the engine's answer at a pause is as good as at the end.
    """

    def __init__(
        self,
        start: Start,
        requests: DecodeRequests,
        captioner: Captioner,
        pacing: PartialPacing,
        warnings: SessionWarnings,
        *,
        has_eager_finals: bool,
    ) -> None:
        self._start = start
        self._requests = requests
        self._captioner = captioner
        self._pacing = pacing
        self._warnings = warnings
        self._eager = EagerFinals(is_enabled=has_eager_finals)
        self._retries = RetryPolicy()

    @property
    def eager_dropped(self) -> int:
        """Eager requests discarded so far."""
        return self._eager.dropped

    def update(self, start: Start) -> None:
        """Change the options."""
        self._start = start

    def on_progress(self, event: SpeechProgress | SpeechPaused, now_s: float) -> list[DecodeRequest]:
        """Return the request for an open utterance, if it gets one: an eager final or a partial at a pause.

        Args:
            event: the utterance so far.
            now_s: on the scheduler's clock.
        """
        if isinstance(event, SpeechPaused) and self._wants_eager_final:
            return [self._eager.begin(self._build(event, RequestKind.EAGER, now_s))]
        if self._pacing.is_enabled and not self._is_behind:
            return [self._build(event, RequestKind.PARTIAL, now_s)]
        return []

    def on_resume(self) -> None:
        """Discard the eager request, since speech has resumed after the pause."""
        self._eager.resume()

    def on_end(self, event: SpeechEnded, now_s: float) -> list[DecodeRequest]:
        """Return the final request of an utterance, unless its eager request covers all of the audio.

        Args:
            event: the whole utterance.
            now_s: on the scheduler's clock.
        """
        if self._eager.end(event.end_sample, is_silence=event.reason is EndReason.SILENCE):
            return []
        return [self._build(event, self._requests.final_kind, now_s)]

    def is_current_eager(self, request: DecodeRequest) -> bool:
        """Return whether a request is the eager one of the current pause."""
        return self._eager.is_current(request)

    def should_retry(self, answer: Answer) -> bool:
        """Record an answer, and return whether its request has failed and is to be retried."""
        return self._retries.should_retry(answer.request, answer.outcome)

    def retry(self, failed: DecodeRequest, now_s: float) -> list[DecodeRequest]:
        """Return a final request in place of a failed request, if its utterance waits for that one."""
        self._eager.fail(failed)
        if not self._captioner.waits_for(failed.utterance_id, failed.revision):
            return []
        retried = self._requests.retry(failed, now_s)
        self._captioner.ask_again(failed.utterance_id, retried.revision)
        return [retried]

    @property
    def _is_behind(self) -> bool:
        """Whether only finals are requested: the session is behind, or the gateway is."""
        return self._warnings.is_behind or self._pacing.is_paused

    @property
    def _wants_eager_final(self) -> bool:
        return self._eager.are_wanted(
            is_behind=self._is_behind,
            is_requested=self._start.eager,
            is_stretched=self._pacing.is_stretched,
        )

    def _build(self, event: SpeechEvent, kind: RequestKind, now_s: float) -> DecodeRequest:
        prefix = self._captioner.committed(event.utterance_id)
        return self._requests.build(event, kind, now_s, prefix, in_haste=self._pacing.is_stretched)
