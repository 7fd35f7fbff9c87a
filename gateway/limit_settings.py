"""Settings of what protects a gateway from those who use it, and them from each other."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

__all__ = ["LimitSettings"]

_Timeout = Annotated[float, Field(gt=0)]

_Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What one peer may take, and for how long.

    Attributes:
        drain_s: after a signal to stop, what was received is answered and files are finished for so long; then the
            rest is cut. 30 s: what Kubernetes waits by default, and longer than an utterance takes.
        header_timeout_s: a connection that has sent no whole request by then is closed. 10 s: as for a start message.
        max_connections: at once, of all kinds. None: for all sessions and viewers, and 256 that ask something; fewer
            where the system does not allow the process as many file descriptors.
        max_connections_per_address: of these, from one address that is not this machine's. None: half of them, for a
            proxy is one address too.
        max_share: of each limit that is shared (sessions, those that wait for their clients, viewers, files, decoders,
            client secrets), for one key where there are several, and for one address of another machine that shows no
            key. Half: nobody can shut the others out, and who is alone hardly notices.
        max_decoders: containers decoded live at once. 32: each is a process of up to 512 MB (`uploads`).
    """

    drain_s: _Timeout = 30.0
    header_timeout_s: _Timeout = 10.0
    max_connections: _Count | None = None
    max_connections_per_address: _Count | None = None
    max_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    max_decoders: _Count = 32
