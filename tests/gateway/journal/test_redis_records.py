"""Sessions, events and view tokens as they are kept in Redis."""

import pytest

from gateway.journal.event_json import event_json
from gateway.journal.redis_records import (
    Keys,
    caption_event_of,
    entry_of,
    event_arguments,
    opening_fields,
    resumable_of,
    token_of,
    token_text,
    update_arguments,
)
from gateway.journal.store import CaptionEvent, Change, EventKey, Opening, ViewToken
from gateway.wire import Details, OfChannel, ServerEvent
from tests.events import final, ready

KEYS = Keys("livecue")


def stored(opening: Opening) -> dict[bytes, bytes]:
    """Return the fields of a new session as Redis returns them."""
    texts = [each if isinstance(each, bytes) else str(each).encode() for each in opening_fields(opening, "g")]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def test_the_keys_of_a_session_are_in_one_slot_of_a_cluster() -> None:
    keys = KEYS.all_of("a")
    assert keys == (KEYS.session("a"), KEYS.events("a"), KEYS.tokens("a"), KEYS.text("a"), KEYS.sinks("a"))
    assert all(key.startswith("livecue:{a}") for key in keys)
    names = (KEYS.sessions, KEYS.generation, KEYS.token(b"\xab"), KEYS.gateway("g"))
    assert names == ("livecue:sessions", "livecue:generation", "livecue:token:ab", "livecue:gateway:g")


def test_a_caption_event_is_read_as_it_is_kept() -> None:
    assert (KEYS.caption_events, KEYS.caption_event("weekly")) == ("livecue:events", "livecue:event:weekly")
    fields = {b"owner": b"ada", b"title": b"Sunday", b"created_s": b"100.5", b"session_id": b"s1"}
    assert caption_event_of("weekly", fields) == CaptionEvent("weekly", "ada", "Sunday", 100.5, "s1")
    assert caption_event_of("weekly", {b"owner": b""}) == CaptionEvent("weekly", None, None, 0.0)
    assert caption_event_of("weekly", {b"title": b"of a deleted one"}) is None


def test_what_is_absent_is_not_kept() -> None:
    entry = entry_of("a", stored(Opening("a", "native", None, 0.1, {})))
    assert entry is not None
    assert (entry.owner, entry.language, entry.ended_s, entry.outcome) == (None, None, None, None)
    assert (entry.opened_s, entry.touched_s, entry.is_complete, entry.finals) == (0.1, 0.1, True, 0)
    assert resumable_of("a", stored(Opening("a", "native", None, 0.1, {}))) is None
    assert entry_of("a", {}) is None
    assert resumable_of("a", {}) is None


def test_a_resumable_session_that_has_ended_is_read_as_it_was_written() -> None:
    opening = Opening("a", "twilio", "ada", 1e9 + 0.123456, {"call_id": "CA1"}, "{}", b"\xff")
    fields = stored(opening) | {b"ended_s": b"12.5", b"outcome": b"finished", b"language": b"en"}
    found = resumable_of("a", fields | {b"is_complete": b"0"})
    assert found is not None
    assert (found.start, found.token_digest) == ("{}", b"\xff")
    entry = found.entry
    assert (entry.owner, entry.about, entry.opened_s) == ("ada", {"call_id": "CA1"}, 1e9 + 0.123456)
    assert (entry.ended_s, entry.outcome, entry.language, entry.is_complete) == (12.5, "finished", "en", False)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (None, [0, "", "", 1, "", "", ""]),
        (Change("a", 1.5), [1, 1.5, "", 1, "", "", ""]),
        (
            Change("a", 1.5, "en", False, 2, 2.5, "finished", Details(3, "x")),
            [1, 1.5, "en", 0, 2.5, "finished", event_json(Details(3, "x"))],
        ),
    ],
)
def test_a_change_becomes_arguments_of_the_script(change: Change | None, expected: list[object]) -> None:
    assert update_arguments(change) == expected


def test_events_of_other_sessions_are_left_out_and_finals_are_marked() -> None:
    events: dict[EventKey, ServerEvent] = {("a", 1): ready(), ("b", 1): ready(), ("a", 2): OfChannel(1, final(2))}
    arguments = event_arguments(events, "a")
    assert arguments[0:2] + arguments[3:5] == ["1-0", 0, "2-0", 1]
    assert len(arguments) == 6


def test_a_view_token_is_read_as_it_was_written() -> None:
    for token in (ViewToken("a", "ada", 1.5), ViewToken("a", None, 2.0)):
        assert token_of(token_text(token)) == token
