"""What a request makes of an utterance in the journal."""

import json

import pytest

from gateway.captions.cue_profiles import PROFILES
from gateway.errors import Conflict, NotFound
from gateway.journal.corrections import CorrectionRequest, Revision, revision_of
from gateway.journal.event_json import event_json
from gateway.wire import OfChannel, ServerEvent
from tests.events import correction, final, final_cue, ready

EVENTS = (ready(), final_cue(2), final(3))


def made(request: CorrectionRequest, *more: ServerEvent) -> Revision:
    return revision_of(map(event_json, (*EVENTS, *more)), request, PROFILES["web"])


def test_a_request_makes_the_next_revision() -> None:
    first = made(CorrectionRequest(1, "lines one"))
    assert (first.correction.revision, first.correction.text, first.superseded, first.is_new) == (
        1,
        "lines one",
        (),
        True,
    )
    second = made(CorrectionRequest(1, "lines one"), correction(4))
    assert (second.correction.revision, second.superseded) == (2, (4,))


def test_a_repeated_request_makes_no_other_whatever_revision_it_has_seen() -> None:
    for seen in (None, 0, 1, 5):
        again = made(CorrectionRequest(1, "corrected", seen_revision=seen), correction(4))
        assert again == Revision(correction(4), None, is_new=False)


def test_the_text_of_the_engine_can_be_confirmed_and_restored() -> None:
    assert made(CorrectionRequest(1, "words 1")).is_new
    assert made(CorrectionRequest(1, "words 1"), correction(4)).correction.revision == 2


@pytest.mark.parametrize(("seen", "newest"), [(1, 0), (0, 1), (2, 1)])
def test_a_request_for_another_revision_is_refused(seen: int, newest: int) -> None:
    with pytest.raises(Conflict, match=f"utterance 1 has revision {newest}, got {seen}: read its new text first"):
        made(CorrectionRequest(1, "lines one", seen_revision=seen), *[correction(4)][:newest])


def test_a_request_for_the_newest_revision_is_accepted() -> None:
    assert made(CorrectionRequest(1, "lines one", seen_revision=0)).correction.revision == 1
    assert made(CorrectionRequest(1, "lines one", seen_revision=1), correction(4)).correction.revision == 2


def test_an_utterance_of_a_channel_is_corrected_in_it() -> None:
    revision = made(CorrectionRequest(1, "right", channel=1), OfChannel(1, final(5)), OfChannel(0, final(6)))
    assert revision.event == OfChannel(1, revision.correction)
    assert json.loads(revision.message)["channel"] == 1
    assert "channel" not in json.loads(made(CorrectionRequest(1, "right")).message)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (CorrectionRequest(2, "a"), "utterance 2 has no final"),
        (CorrectionRequest(1, "a", channel=0), "utterance 1 in channel 0 has no final"),
    ],
)
def test_an_utterance_without_final_is_not_found(request_: CorrectionRequest, message: str) -> None:
    with pytest.raises(NotFound) as refused:
        made(request_)
    assert (str(refused.value), refused.value.field) == (message, "utterance_id")
