"""Settings of the sinks, to which captions are sent."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr

__all__ = ["SinkSettings", "SinkTargetSettings"]

SINK_NAME = r"^[a-z0-9][a-z0-9-]{0,31}$"
"""Short enough for a label of a metric and a line of a page."""


def _split_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class SinkTargetSettings:
    """One sink.

    Attributes:
        name: by which a client's `start`, the status and the metrics call it.
        url: where captions go; docs/sinks.md has the form for each kind. Options follow a `#`. It is kept secret, for
            most contain a token.
        automatic: whether each live session is sent there unless its client chooses sinks; else only where a client
            chooses it.
        keys: names of the keys, or of the owners that keys share, whose sessions may be sent there; empty: all.
    """

    name: Annotated[str, Field(pattern=SINK_NAME)]
    url: SecretStr
    automatic: bool = True
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """Settings of the sinks.

    Attributes:
        targets: the sinks, also `livecue serve --sink NAME=URL`.
        client_hosts: host names to which sinks that a client brings itself, with a key of the scope `sinks`, may send;
            `*.example.com` allows all names below it. Their addresses have to be public ones in any case.
        max_per_session: sinks of one session. 8: each is a task, a queue and a connection.
        resume_within_s: after a restart, what a sink has not acknowledged of sessions that ended longer ago is not sent
            any more. An hour: no meeting's captions are of use as captions then.
    """

    targets: tuple[SinkTargetSettings, ...] = ()
    client_hosts: Annotated[tuple[str, ...], BeforeValidator(_split_commas)] = (
        "*.zoom.us",
        "upload.youtube.com",
        "api.captions.office.microsoft.com",
    )
    max_per_session: Annotated[int, Field(ge=1)] = 8
    resume_within_s: Annotated[float, Field(gt=0)] = 3_600.0
