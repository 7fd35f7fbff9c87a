"""What `livecue top` displays: a gateway's answers in, a table or lines out. PURE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Group
from rich.table import Table
from rich.text import Text

__all__ = ["HEADINGS", "Load", "Overview", "TopSession", "load_of", "rows_of", "sessions_of", "summary_of", "view_of"]

HEADINGS = ("session", "dialect", "language", "age", "audio", "lag", "words", "viewers", "key")

_NUMERIC = frozenset({"age", "audio", "lag", "words", "viewers"})

_ID_CHARS = 8
"""Displayed of an id, as by `livecue sessions list`."""

_LATE_S = 2.0
"""A lag from which it is highlighted: readers notice captions later than that."""


class TopSession(msgspec.Struct, frozen=True):
    """One session, as `/v1/sessions` lists it; null where the gateway does not know."""

    id: str
    dialect: str
    opened: float
    language: str | None = None
    key: str | None = None
    audio_s: float | None = None
    lag_s: float | None = None
    words: int | None = None
    viewers: int = 0


class _Listing(msgspec.Struct):
    data: tuple[TopSession, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """The load of a gateway, from its metrics; None where it does not export one.

    Attributes:
        waiting: requests that wait for the engine.
        real_time_factor: decode time per second of audio decoded.
        free_streams: streams that would still be admitted.
    """

    waiting: float | None = None
    real_time_factor: float | None = None
    free_streams: float | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """A gateway at one moment.

    Attributes:
        at_s: when, in seconds since 1970.
        sessions: the oldest first.
        load: None: the metrics cannot be read.
        note: why they cannot be read; empty: they can.
    """

    at_s: float
    sessions: tuple[TopSession, ...]
    load: Load | None
    note: str = ""


def sessions_of(body: bytes) -> tuple[TopSession, ...]:
    """Parse the response of `/v1/sessions`.

    Raises:
        msgspec.DecodeError: it is not such a response.
    """
    return msgspec.json.decode(body, type=_Listing).data


def load_of(exposition: str) -> Load:
    """Read the load from the metrics in Prometheus' text format.

    Raises:
        ValueError: they are not in that format.
    """
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if not sample.labels:
                values[sample.name] = sample.value
    names = "livecue_engine_waiting", "livecue_engine_real_time_factor", "livecue_free_streams"
    return Load(*(values.get(name) for name in names))


def rows_of(overview: Overview) -> list[tuple[str, ...]]:
    """Return the cells of each session, in the order of `HEADINGS`."""
    return [
        (
            each.id[:_ID_CHARS],
            each.dialect,
            each.language or "any",
            _clock(overview.at_s - each.opened),
            "–" if each.audio_s is None else _clock(each.audio_s),
            "–" if each.lag_s is None else f"{each.lag_s:.1f} s",
            "–" if each.words is None else str(each.words),
            str(each.viewers),
            each.key or "none",
        )
        for each in overview.sessions
    ]


def summary_of(overview: Overview) -> str:
    """Return the line above the table."""
    parts = [f"{len(overview.sessions)} sessions"]
    load = overview.load
    if load is None:
        return f"{parts[0]} · {overview.note}"
    figures: Mapping[str, float | None] = {"free streams": load.free_streams, "engine queue": load.waiting}
    parts += [f"{name} {value:.0f}" for name, value in figures.items() if value is not None]
    if load.real_time_factor is not None:
        parts.append(f"real-time factor {load.real_time_factor:.2f}")
    return " · ".join(parts)


def view_of(overview: Overview, rows_visible: int) -> Group:
    """Return the table for a terminal.

    Args:
        overview: of the gateway.
        rows_visible: sessions that fit, ≥ 0; of more, those that are furthest behind are displayed.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in _NUMERIC else "left", no_wrap=True)
    shown = _most_behind(overview.sessions, rows_visible)
    rows = zip(overview.sessions, rows_of(overview), strict=True)
    for session, cells in rows:
        if session.id in shown:
            is_late = session.lag_s is not None and session.lag_s >= _LATE_S
            table.add_row(*(Text(cell) for cell in cells), style="yellow" if is_late else "")
    hidden = len(overview.sessions) - len(shown)
    keys = f"{hidden} more sessions · q quits" if hidden else "q quits"
    return Group(Text(summary_of(overview)), Text(), table, Text(keys, "dim"))


def _most_behind(sessions: Sequence[TopSession], count: int) -> frozenset[str]:
    by_lag = sorted(sessions, key=lambda each: -(each.lag_s or 0.0))
    return frozenset(each.id for each in by_lag[:count])


def _clock(seconds: float) -> str:
    minutes, rest_s = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest_s:02}"
