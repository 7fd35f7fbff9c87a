"""A gateway process whose connection is cut and which is killed: the transcript is the same in the end."""

from pathlib import Path

import pytest

from benchmarks.cuts import Plan, Served, recording, run_session
from benchmarks.differences import compare
from benchmarks.processes import GatewayProcess
from clients.paced_media import MEDIA_FORMAT
from gateway.wire import Start
from tests.meeting import RECORDING
from tools.fault_proxy import Cut, Learns, Way

pytestmark = pytest.mark.timeout(120)

AUDIO_S = 40.0
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
"""Cuts within messages of either side; the client detects each, as detection by pings would take too long."""


@pytest.mark.slow
@pytest.mark.parametrize("partials", [True, False])
async def test_cuts_and_a_killed_gateway_do_not_change_the_transcript(tmp_path: Path, partials: bool) -> None:
    frames, journal = recording(RECORDING, AUDIO_S), tmp_path / "journal.db"
    start = Start(MEDIA_FORMAT, words=True, partials=partials, resumable=True)
    with GatewayProcess("--engine", "scripted", "--set", f"journal.database={journal}") as gateway:
        served = Served(gateway, journal)
        expected = await run_session(served, frames, start, Plan(), SPEED)
        received = await run_session(served, frames, start, PLAN, SPEED)
    difference = compare(expected, received)
    assert difference.is_none, difference
    assert expected.journal
    assert difference.finals > 10
    assert (received.cuts, received.kills) == (len(PLAN.cuts), len(PLAN.kills_s))
    assert received.back_s, "the client reconnected"
