"""Settings that protect a gateway from its clients, and clients from each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

__all__ = ["LimitSettings"]

_Timeout = Annotated[float, Field(gt=0)]

_Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Limits of streams, connections, slots and shares.

    Attributes:
        streams: live sessions that the engine holds; one more is refused with 503. None: as `livecue capacity` has
            measured for this engine on this machine, else only by forecast and by `server.max_sessions`.
        target_load: forecast share of the engine's time, with partials at half their rate, up to which sessions are
            admitted. 0.9: beyond it, requests of independent speakers queue for longer than they are decoded.
        capacity_file: where `livecue capacity` writes its measurements; None: `livecue/capacity.json` in the user's
            data directory.
        drain_s: after a signal to stop, received audio is answered and files are finished for so long; then the
            rest is closed. 30 s: Kubernetes' default, and longer than an utterance takes.
        header_timeout_s: limit for receiving a request head. 10 s: as for a start message.
        max_connections: at once, of all kinds. None: enough for all sessions and viewers, and 256 for other requests;
            fewer where the system does not allow the process as many file descriptors.
        max_connections_per_address: of these, from one address that is not this machine's. None: half of them,
            since a proxy is a single address, too.
        max_share: fraction of each shared limit (sessions, detached sessions, viewers, files, decoders, client
            secrets) for one key where there are several, or for one address of another machine without a key. Half: no
            client can lock out the others, and a single one hardly notices.
        max_key_labels: keys with time series of their own in `/metrics`; the usage of further ones is added up as
            `other`. 100: Prometheus advises against labels of more values.
        max_decoders: containers decoded live at once. 32: each is a process of up to 512 MB (`uploads`).
    """

    streams: _Count | None = None
    target_load: Annotated[float, Field(gt=0, le=1)] = 0.9
    capacity_file: Path | None = None
    drain_s: _Timeout = 30.0
    header_timeout_s: _Timeout = 10.0
    max_connections: _Count | None = None
    max_connections_per_address: _Count | None = None
    max_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    max_key_labels: Annotated[int, Field(ge=0)] = 100
    max_decoders: _Count = 32
