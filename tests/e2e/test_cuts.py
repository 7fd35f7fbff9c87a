"""A gateway in a process of its own, cut off from its client and killed: what is said in the end is the same."""

from pathlib import Path

import pytest

from benchmarks.cuts import Plan, Served, hear, recording
from benchmarks.differences import compare
from benchmarks.processes import GatewayProcess
from clients.paced_media import MEDIA_FORMAT
from gateway.wire import Start
from tests.meeting import RECORDING
from tools.fault_proxy import Cut, Learns, Way

pytestmark = pytest.mark.timeout(120)

SOUND_S = 40.0
SPEED = 20.0

PLAN = Plan(
    cuts=(
        (4.3, Cut(Way.TO_CLIENT, 37, Learns.BOTH)),
        (11.0, Cut(Way.TO_GATEWAY, 1_601, Learns.CLIENT)),
        (27.2, Cut(Way.TO_GATEWAY, 3, Learns.BOTH)),
        (33.7, Cut(Way.TO_CLIENT, 0, Learns.CLIENT)),
    ),
    kills_s=(19.4,),
)
"""Cuts amid the messages of either side; each time the client learns of it, for else it takes its pings to."""


@pytest.mark.parametrize("partials", [True, False])
async def test_a_session_that_is_cut_and_whose_gateway_is_killed_says_the_same(tmp_path: Path, partials: bool) -> None:
    frames, journal = recording(RECORDING, SOUND_S), tmp_path / "journal.db"
    start = Start(MEDIA_FORMAT, words=True, partials=partials, resumable=True)
    with GatewayProcess("--engine", "scripted", "--set", f"journal.database={journal}") as gateway:
        served = Served(gateway, journal)
        expected = await hear(served, frames, start, Plan(), SPEED)
        heard = await hear(served, frames, start, PLAN, SPEED)
    difference = compare(expected, heard)
    assert difference.is_none, difference
    assert expected.journal
    assert difference.finals > 10
    assert (heard.cuts, heard.kills) == (len(PLAN.cuts), len(PLAN.kills_s))
    assert heard.back_s, "the client was away"
