"""Settings of the journal."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

__all__ = ["JournalSettings"]


def _check_redis_url(url: SecretStr) -> SecretStr:
    if not re.match(r"rediss?://[^/?#]+", url.get_secret_value()):
        raise ValueError("expected redis://HOST:PORT or rediss://HOST:PORT")
    return url


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Settings of the journal of sessions.

    Attributes:
        enabled: whether events are stored. Without it no session can be resumed after a restart, and none can be
            read once it is over; sessions stored before stay until their retention ends.
        database: SQLite file; None: `livecue/journal.db` in the user's data directory. It contains transcripts.
        retention_days: how long after its end a session is deleted; None or `inf`: never. A month: enough to fetch the
            transcript of a meeting, but not an archive.
        record: whether to record the audio, too, as FLAC beside the database.
        url: `redis://[USER@]HOST:PORT[/DATABASE]`, or `rediss://` for TLS, instead of a file: several gateways share
            it, and each reads and resumes the sessions of all (docs/scaling.md). None: the file.
        password: of Redis, if it is not in the URL.
        prefix: of all keys in Redis.
        lease_s: a gateway that has not reached Redis for so long counts as dead. Ten of its renewals.
    """

    enabled: bool = True
    database: Path | None = None
    retention_days: Annotated[float, Field(gt=0)] | None = 30.0
    record: bool = False
    url: Annotated[SecretStr, AfterValidator(_check_redis_url)] | None = None
    password: Annotated[SecretStr, Field(min_length=1)] | None = None
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]+$")] = "livecue"
    lease_s: Annotated[float, Field(ge=3)] = 10.0
