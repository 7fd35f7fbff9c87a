"""The metrics of one stream, and its entry in the result. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clients.bench.final_answers import FinalAnswers, final_answers
from clients.bench.lags import lag_over_time
from clients.bench.limits import Limits
from clients.bench.lost_audio import unanswered_stretches
from clients.bench.matched_words import MatchedWord, Matches, match_words
from clients.bench.normaliser import is_unspaced, scored_words
from clients.bench.reference import Reference
from clients.bench.result import Errors, Stream, Terms, UnansweredStretch, Word
from clients.bench.terms import count_terms
from clients.bench.trace import StreamTrace
from clients.bench.word_errors import count_errors
from clients.bench.word_timeline import WordTimeline

__all__ = ["MeasuredStream", "measure_stream", "measured_words", "played"]

_END_MARGIN_S = 0.1
"""A stream's last frame may hold the end of a word."""


@dataclass(frozen=True, slots=True)
class MeasuredStream:
    """One stream.

    Attributes:
        trace: what was observed.
        reference: what was spoken in the audio that was played.
        timeline: of the displayed words.
        matches: of the spoken words; their times mean nothing if the reference has none.
        answers: to its ends of speech.
        unanswered: stretches of speech without an answer.
        unanswered_s: speech in them.
    """

    trace: StreamTrace
    reference: Reference
    timeline: WordTimeline
    matches: Matches
    answers: FinalAnswers
    unanswered: tuple[UnansweredStretch, ...]
    unanswered_s: float

    @property
    def is_speech(self) -> bool:
        """Whether anything is spoken in it."""
        return bool(self.reference.words)

    @property
    def is_timed(self) -> bool:
        """Whether the times of its words are known."""
        return self.is_speech and self.reference.has_times

    @property
    def timed_words(self) -> Sequence[MatchedWord]:
        """Its words, if their times are known."""
        return self.matches.words if self.is_timed else ()

    def errors(self) -> Errors:
        """Return the errors of its finals."""
        return count_errors(*self._texts())

    def terms(self) -> Terms:
        """Return how well its finals have the terms of its reference."""
        terms = [scored_words(term, self.reference.language) for term in self.reference.terms]
        return count_terms(*self._texts(), terms)

    def entry(self) -> Stream:
        """Return its entry in the result."""
        failure = self.trace.failure
        return Stream(
            stream=self.trace.stream,
            recording=self.trace.recording,
            audio_s=self.trace.audio_s,
            connect_s=self.trace.connect_s,
            failure=None if failure is None else ": ".join(failure),
            transcript=self.timeline.transcript,
            words=measured_words(self.timed_words),
            corrections=self.timeline.corrections,
            unanswered=self.unanswered,
            lag_over_time=lag_over_time(self.timed_words),
        )

    def _texts(self) -> tuple[list[str], list[str]]:
        language = self.reference.language
        separator = "" if is_unspaced(language) else " "
        spoken = separator.join(word.text for word in self.reference.words)
        return scored_words(spoken, language), scored_words(self.timeline.transcript, language)


def measure_stream(trace: StreamTrace, reference: Reference, limits: Limits) -> MeasuredStream:
    """Return the metrics of a stream.

    Args:
        trace: what was observed.
        reference: of its recording.
        limits: of the audits.

    Raises:
        BenchExtraMissing: a library of the extra `bench` is not installed.
    """
    spoken = played(reference, trace)
    timeline = WordTimeline(trace.transcripts, reference.language)
    matches = match_words(spoken, timeline.final_segments)
    timed = matches.words if reference.has_times and not trace.was_refused else ()
    unanswered = list(unanswered_stretches(timed, limits.unanswered_s, limits.unanswered_words))
    return MeasuredStream(
        trace,
        spoken,
        timeline,
        matches,
        final_answers(matches, trace.cuts, limits.premature_pause_s),
        tuple(stretch for stretch, _ in unanswered),
        sum(length_s for _, length_s in unanswered),
    )


def played(reference: Reference, trace: StreamTrace) -> Reference:
    """Return the reference of the audio that was played; of a stream that failed, of all that was to be played."""
    if trace.failure is not None or not reference.has_times:
        return reference
    words = [word for word in reference.words if word.end_s <= trace.audio_s + _END_MARGIN_S]
    closed = (*words[:-1], *(replace(word, ends_speech=True) for word in words[-1:]))
    return replace(reference, words=closed)


def measured_words(words: Sequence[MatchedWord]) -> tuple[Word, ...]:
    """Return the entries of words in the result; a right word is written as in the reference."""
    return tuple(
        Word(
            text=word.spoken.text,
            start_s=word.spoken.start_s,
            end_s=word.spoken.end_s,
            ends_speech=word.speech_ends_s is not None,
            written=word.spoken.text if word.is_right else _written(word),
            first_shown_s=word.first_shown_s,
            shown_s=word.shown_s,
            committed_s=word.committed_s,
            final_s=word.final_s,
        )
        for word in words
    )


def _written(word: MatchedWord) -> str | None:
    return " ".join(dict.fromkeys(part.written for part in word.written)) or None
