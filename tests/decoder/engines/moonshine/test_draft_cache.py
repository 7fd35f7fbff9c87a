"""Drafts are kept for a session's newest utterance, while the session lasts."""

import pytest

from decoder.engines.moonshine import draft_cache as drafts
from decoder.engines.moonshine.draft_cache import EMPTY, Draft, DraftStore
from decoder.types import RequestKind
from tests.audio import silence
from tests.contracts.engines import request

ASKED = request(silence(0.1))
DRAFT = Draft((), (4, 5))


def store(*session_ids: str) -> DraftStore:
    made = DraftStore()
    made.admit(session_ids)
    return made


def test_the_next_request_of_the_utterance_finds_the_draft() -> None:
    kept = store("session")
    kept.keep(ASKED, DRAFT)

    assert kept.of(request(silence(0.2), revision=2)) == DRAFT
    assert kept.of(request(silence(0.2), utterance_id=2)) == EMPTY
    assert kept.of(request(silence(0.2), session_id="other")) == EMPTY


def test_a_final_leaves_no_draft() -> None:
    kept = store("session")
    kept.keep(ASKED, DRAFT)

    kept.keep(request(silence(0.1), kind=RequestKind.FINAL), DRAFT)

    assert len(kept) == 0


def test_a_session_forgotten_in_the_meantime_gets_no_draft() -> None:
    kept = store("session")
    kept.forget("session")

    kept.keep(ASKED, DRAFT)

    assert len(kept) == 0


def test_the_oldest_sessions_are_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MAX_SESSIONS", 2)
    kept = store("first", "session")
    kept.keep(ASKED, DRAFT)

    kept.admit(["third"])
    assert kept.of(ASKED) == DRAFT

    kept.admit(["fourth"])
    assert kept.of(ASKED) == EMPTY
