"""What `livecue top` displays."""

import msgspec
import pytest
from rich.console import Console

from gateway.cli.top_view import (
    HEADINGS,
    Load,
    Overview,
    TopSession,
    load_of,
    rows_of,
    sessions_of,
    summary_of,
    view_of,
)

METRICS = """\
# HELP livecue_engine_waiting Requests waiting for a batch
# TYPE livecue_engine_waiting gauge
livecue_engine_waiting 3.0
# HELP livecue_engine_real_time_factor Decode time
# TYPE livecue_engine_real_time_factor gauge
livecue_engine_real_time_factor 0.125
# HELP livecue_warnings_total Warnings sent
# TYPE livecue_warnings_total counter
livecue_warnings_total{code="lagging"} 7.0
"""

LATE = TopSession("0123456789ab", "deepgram", 1_000.0, "en", "studio", 3_605.4, 4.26, 1_234, 2)
NEW = TopSession("ffff", "native", 4_600.0)


def lines(overview: Overview, rows: int = 10) -> list[str]:
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(view_of(overview, rows))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_sessions_are_read_from_the_list_whatever_else_it_has() -> None:
    body = msgspec.json.encode({"object": "list", "data": [{"id": "a", "dialect": "vosk", "opened": 1.5, "new": 1}]})
    assert sessions_of(body) == (TopSession("a", "vosk", 1.5),)


def test_another_answer_is_no_list() -> None:
    with pytest.raises(msgspec.DecodeError):
        sessions_of(b'{"error": {}}')


def test_the_load_is_read_from_the_metrics() -> None:
    assert load_of(METRICS) == Load(waiting=3.0, real_time_factor=0.125)
    assert load_of(METRICS + "# TYPE livecue_free_streams gauge\nlivecue_free_streams 12\n").free_streams == 12.0
    assert load_of("") == Load()


def test_a_session_has_a_cell_for_each_heading() -> None:
    rows = rows_of(Overview(4_661.0, (LATE, NEW), Load()))

    assert rows == [
        ("01234567", "deepgram", "en", "1:01:01", "1:00:05", "4.3 s", "1234", "2", "studio"),
        ("ffff", "native", "any", "0:01:01", "–", "–", "–", "0", "none"),
    ]
    assert {len(row) for row in rows} == {len(HEADINGS)}


def test_a_clock_of_the_gateway_that_is_ahead_makes_no_negative_age() -> None:
    assert rows_of(Overview(0.0, (NEW,), Load()))[0][3] == "0:00:00"


def test_the_summary_has_what_the_gateway_exports() -> None:
    full = Load(3.0, 0.125, 12.0)
    assert (
        summary_of(Overview(0.0, (LATE,), full))
        == "1 sessions · free streams 12 · engine queue 3 · real-time factor 0.12"
    )
    assert summary_of(Overview(0.0, (), Load())) == "0 sessions"


def test_metrics_that_are_refused_are_said_so() -> None:
    assert summary_of(Overview(0.0, (), None, "the metrics need a key")) == "0 sessions · the metrics need a key"


def test_the_table_has_the_sessions_and_the_keys() -> None:
    shown = lines(Overview(4_661.0, (LATE, NEW), Load()))

    assert shown[2].split() == list(HEADINGS)
    assert [line.split()[0] for line in shown[3:5]] == ["01234567", "ffff"]
    assert shown[5] == "q quits"


def test_a_small_terminal_displays_the_sessions_that_are_furthest_behind() -> None:
    shown = lines(Overview(4_661.0, (NEW, LATE), Load()), rows=1)

    assert shown[3].startswith("01234567")
    assert shown[4] == "1 more sessions · q quits"
