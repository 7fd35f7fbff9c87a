"""PURE: choose the language of an utterance from its audio and the earlier utterances of its session.

Whisper's language probabilities are calibrated, but a second of speech is weak evidence: one in four utterances below
1 s is assigned to another language, none of 2 s and more (base, eight languages). So the log probabilities of
utterances add up as evidence, and a language has to make up a lead before the session changes to it (a cumulative sum
test, Page 1954). The lead is bounded, so that a real change of language is followed at once, however long the other
language was spoken.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from math import log

from decoder.types import DecodeRequest, RequestKind
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["SessionLanguages", "judge_language"]

SWITCH_MARGIN = 3.0
"""Nats by which another language must be likelier. Swept with `CONFIDENT_SAMPLES` on base and 163 stretches of 1 to
23 s in nine languages: with 3 and 2 s none leaves the language of its session, and a change of speakers is followed in
all 98 stretches of 2 s and more and in 39 of 64 shorter ones. With 2 and 2 s one leaves it, and 43 are followed; with 4
and 2 s three longer ones are missed."""

CONFIDENT_SAMPLES = 2 * SAMPLE_RATE_HZ
"""An utterance of at least that length has full weight, a shorter one in proportion."""

PARTIAL_MARGIN = 1.0
"""Nats by which another language must lead the one that partials of the same utterance were decoded in. A caption that
changes its language between two partials is worse than one that changes it in its final."""

LEAST_PROBABILITY = 1e-4
"""Lower probabilities count as this one, which bounds the weight of one utterance."""

Probabilities = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Utterance:
    """The newest utterance.

    Attributes:
        utterance_id: its id.
        start_sample: start of its first request.
        language: language of its last decode, or None.
        is_settled: whether later partials keep that language.
        evidence: the session's evidence including this utterance, after a request for all of its audio; None before.
    """

    utterance_id: int
    start_sample: int
    language: str | None = None
    is_settled: bool = False
    evidence: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class SessionLanguages:
    """Language state of a session.

    Attributes:
        evidence: language → nats relative to the likeliest one, > -`SWITCH_MARGIN` and ≤ 0, from all utterances before
            the newest. A missing language is behind by the whole margin; empty: no evidence yet.
        utterance: the newest one; None before the first.
    """

    evidence: Mapping[str, float] = field(default_factory=dict)
    utterance: _Utterance | None = None


def judge_language(
    session: SessionLanguages, request: DecodeRequest, detect: Callable[[], Probabilities]
) -> tuple[str, SessionLanguages]:
    """Return the language to decode a request in, and the session's new state.

    The language of a whole utterance depends only on whole utterances. Evidence of an eager request is discarded when a
    later request of the same utterance arrives, because the speech has continued.

    Args:
        session: the state before.
        request: without a language of its own, and with audio.
        detect: returns the probability of each language, 0..1; called only when needed.
    """
    session, utterance = _begun(session, request)
    if request.kind is not RequestKind.PARTIAL:
        scores = _scores(session.evidence, request, detect())
        language = _best(scores)
        is_settled = _is_settled(request, scores, language)
        utterance = replace(utterance, language=language, is_settled=is_settled, evidence=_kept(scores))
        return language, replace(session, utterance=utterance)
    # After a cut only the rest of the utterance is available for detection.
    if utterance.language is not None and (utterance.is_settled or request.start_sample > utterance.start_sample):
        return utterance.language, session
    scores = _scores(session.evidence, request, detect())
    language = _best(scores)
    before = scores.get(utterance.language) if utterance.language is not None else None
    if before is not None and utterance.language is not None and scores[language] - before < PARTIAL_MARGIN:
        language = utterance.language
    is_settled = _is_settled(request, scores, language)
    return language, replace(session, utterance=replace(utterance, language=language, is_settled=is_settled))


def _begun(session: SessionLanguages, request: DecodeRequest) -> tuple[SessionLanguages, _Utterance]:
    """Return the session at the request's utterance; a new one adopts the evidence of the utterance before it."""
    newest = session.utterance
    if newest is not None and newest.utterance_id == request.utterance_id:
        return session, newest
    evidence = session.evidence if newest is None or newest.evidence is None else newest.evidence
    begun = _Utterance(request.utterance_id, request.start_sample)
    return SessionLanguages(evidence, begun), begun


def _scores(evidence: Mapping[str, float], request: DecodeRequest, detected: Probabilities) -> dict[str, float]:
    """Return language → nats: previous evidence plus that of the request's audio."""
    weight = min(1.0, len(request.samples) / CONFIDENT_SAMPLES)
    unknown = -SWITCH_MARGIN if evidence else 0.0
    return {
        code: evidence.get(code, unknown) + weight * log(max(probability, LEAST_PROBABILITY))
        for code, probability in _allowed(detected, request.languages).items()
    }


def _allowed(detected: Probabilities, languages: Collection[str]) -> Probabilities:
    """Return the allowed languages, or all if the model has none of those."""
    return {code: detected[code] for code in languages if code in detected} or detected


def _best(scores: Mapping[str, float]) -> str:
    return max(scores, key=lambda code: scores[code])


def _is_settled(request: DecodeRequest, scores: Mapping[str, float], language: str) -> bool:
    """Return whether there is enough audio and no other language is within the margin."""
    others = max((score for code, score in scores.items() if code != language), default=-SWITCH_MARGIN)
    return len(request.samples) >= CONFIDENT_SAMPLES and scores[language] - others >= SWITCH_MARGIN


def _kept(scores: Mapping[str, float]) -> Mapping[str, float]:
    """Return the scores within the margin of the best, relative to it."""
    best = max(scores.values())
    return {code: score - best for code, score in scores.items() if score - best > -SWITCH_MARGIN}
