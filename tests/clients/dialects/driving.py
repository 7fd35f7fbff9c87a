"""Functions to drive a dialect's driver by hand, and what real servers have sent."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from clients.dialects import DRIVERS
from clients.dialects.driver import Driver, DriverEvent, DriverOptions, Failed, Finished, Transcript

__all__ = [
    "ending",
    "fed",
    "json_sent",
    "opened",
    "recorded",
    "shown",
    "transcripts",
]

_RECORDED = Path(__file__).parents[2] / "data" / "dialects"


def opened(dialect: str, options: DriverOptions | None = None) -> Driver:
    """Return a driver whose first messages have been sent."""
    driver = DRIVERS[dialect](options or DriverOptions())
    driver.open()
    driver.take_outgoing()
    return driver


def fed(driver: Driver, *messages: object) -> list[DriverEvent]:
    """Return the events of messages; objects are sent as JSON."""
    texts = [each if isinstance(each, str | bytes) else json.dumps(each) for each in messages]
    return [event for text in texts for event in driver.receive(text)]


def json_sent(driver: Driver) -> list[object]:
    """Return what is to be sent, each message read from JSON."""
    return [json.loads(message) for message in driver.take_outgoing()]


def transcripts(events: Iterable[DriverEvent]) -> list[Transcript]:
    return [event for event in events if isinstance(event, Transcript)]


def shown(events: Iterable[DriverEvent]) -> list[tuple[str, str, bool]]:
    """Return segment, text, and whether it is final, of each transcript."""
    return [(each.segment, each.text, each.is_final) for each in transcripts(events)]


def ending(events: Sequence[DriverEvent]) -> DriverEvent | None:
    """Return the event that ended the session; None: it goes on."""
    return next((event for event in events if isinstance(event, Finished | Failed)), None)


def recorded(name: str) -> list[str]:
    """Return the messages that a real server sent to a driver, in order."""
    lines = (_RECORDED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
