"""The benchmark of uploads, on short generated audio."""

import numpy as np
import pytest

from benchmarks.upstream import POLICIES, measure
from tests.audio import silence, speechlike

TALK = np.concatenate([silence(0.5), *[speechlike(4.0), silence(1.0)] * 4])


@pytest.fixture(scope="module")
def audio() -> bytes:
    return (TALK * 32_767).astype("<i2").tobytes()


@pytest.mark.parametrize("policy", POLICIES)
async def test_uploads_are_the_same_in_every_run(policy: str, audio: bytes) -> None:
    assert await measure("talk", audio, policy) == await measure("talk", audio, policy)


@pytest.mark.parametrize(("policy", "most"), [("off", 1.15), ("local", 1.15), ("upstream", 2.5)])
async def test_uploads_stay_within_their_share(policy: str, most: float, audio: bytes) -> None:
    uploaded = await measure("talk", audio, policy)
    assert 0.95 <= uploaded.total_per_s <= most


async def test_partials_are_emitted_if_the_policy_has_some(audio: bytes) -> None:
    uploaded = {policy: await measure("talk", audio, policy) for policy in POLICIES}
    assert uploaded["off"].partials_per_s == uploaded["local"].partials_per_s == 0.0
    assert uploaded["local"].shown_partials > uploaded["upstream"].shown_partials > uploaded["off"].shown_partials
    assert uploaded["naive"].total_per_s > uploaded["upstream"].total_per_s
