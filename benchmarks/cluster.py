"""How long sessions are without a gateway when gateways die, by length of the lease, and whether words are lost.

A model on a virtual clock (`benchmarks.cluster_model`), without sockets, audio, an engine or a database: it shows what
the rules of leases, fencing, journal and back-off lead to, not that the code follows them.
"""

import argparse
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

from benchmarks.cluster_model import ClusterSettings, Outage, Outcome, simulate
from benchmarks.percentile import percentile
from benchmarks.report import print_table, write_json

LEASES_S = ((5.0, 1.5), (10.0, 3.0), (20.0, 6.0), (30.0, 9.0))
"""Lease and renewal: three renewals may fail before a lease is lost."""

FIRST_OUTAGE_S = 20.0
OUTAGE_INTERVAL_S = 5.0
PAUSE_S = 45.0
"""Longer than any lease and the client's detection, so that a paused gateway wakes up as a former owner."""


@dataclass(frozen=True, slots=True)
class Row:
    """One simulation.

    Attributes:
        scenario: what happened, and to how many gateways.
        lease_s, renewal_s: of the lease.
        disturbed: takeovers.
        p50_s, p95_s, max_s: from the outage to the takeover.
        lost, doubled, refused: words.
    """

    scenario: str
    lease_s: float
    renewal_s: float
    disturbed: int
    p50_s: float | None
    p95_s: float | None
    max_s: float | None
    lost: int
    doubled: int
    refused: int


def outages_of(gateways: int, pause_s: float | None) -> list[Outage]:
    """Return outages of the first gateways, some seconds apart, so that some sessions are disturbed twice."""
    starts = [FIRST_OUTAGE_S + OUTAGE_INTERVAL_S * gateway for gateway in range(gateways)]
    if pause_s is None:
        return [Outage(gateway, start_s) for gateway, start_s in enumerate(starts)]
    return [Outage(gateway, start_s, start_s + pause_s) for gateway, start_s in enumerate(starts)]


def row_of(scenario: str, settings: ClusterSettings, outcome: Outcome) -> Row:
    """Return the figures of a simulation."""
    gaps_s = outcome.gaps_s
    return Row(
        scenario,
        settings.lease_s,
        settings.renewal_s,
        len(gaps_s),
        percentile(gaps_s, 50),
        percentile(gaps_s, 95),
        max(gaps_s, default=None),
        outcome.lost,
        outcome.doubled,
        outcome.refused,
    )


def rows_of(settings: ClusterSettings, down: int, seed: int) -> list[Row]:
    """Simulate killed gateways, paused ones, and paused ones without the fence, for each length of the lease."""
    scenarios = (
        (f"{down} killed", None, True),
        (f"{down} paused {PAUSE_S:g} s", PAUSE_S, True),
        (f"{down} paused {PAUSE_S:g} s, no fence", PAUSE_S, False),
    )
    rows = []
    for name, pause_s, is_fenced in scenarios:
        for lease_s, renewal_s in LEASES_S:
            changed = replace(settings, lease_s=lease_s, renewal_s=renewal_s, is_fenced=is_fenced)
            rows.append(row_of(name, changed, simulate(changed, outages_of(down, pause_s), Random(seed))))
    return rows


def main() -> None:
    """Simulate, print the table and write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--gateways", type=int, default=50)
    parser.add_argument("--down", type=int, default=5, help="gateways that are killed or paused")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    settings = ClusterSettings(sessions=arguments.sessions, gateways=arguments.gateways)
    began_s = time.monotonic()
    rows = rows_of(settings, arguments.down, arguments.seed)
    columns = ["scenario", "lease s", "renewal s", "takeovers", "p50 s", "p95 s", "max s", "lost", "doubled", "refused"]
    title = (
        f"{settings.sessions} sessions, {settings.gateways} gateways, {time.monotonic() - began_s:.0f} s of simulation"
    )
    print_table(title, columns, [list(asdict(row).values()) for row in rows])
    write_json(arguments.json, "cluster", [asdict(row) for row in rows])


if __name__ == "__main__":
    main()
