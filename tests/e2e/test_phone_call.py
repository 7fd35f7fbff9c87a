"""A telephone call with a gap and frames out of order: its cues are where they belong."""

import random
from collections.abc import Sequence
from dataclasses import replace

import jiwer
import numpy as np
import pytest

from decoder.engine_selection import create_engine
from gateway.settings import load_settings
from tests.audio import silence, tone
from tests.calls import CallFrame, frames_of, g711, media_of, start_of, stop_of, watched_call
from tests.meeting import words
from tests.recordings import recording
from tests.servers import EMBEDDED, Served, serving
from tests.sessions import Message
from tests.uploading import serving_files
from vad.audio import SAMPLE_RATE_HZ, Float32

pytestmark = pytest.mark.timeout(180)

FRAME_MS, FRAME_BYTES = 20, 160
GAP_MS = 2_000

FIRST, SECOND = "tel_ulaw/1089-134691-0000.flac", "tel_ulaw/1089-134691-0001.flac"

SPOKEN_TEXT = {
    FIRST: "HE COULD WAIT NO LONGER",
    SECOND: "FOR A FULL HOUR HE HAD PACED UP AND DOWN WAITING BUT HE COULD WAIT NO LONGER",
}
"""One reader, through 300 to 3400 Hz and µ-law."""


def telephone(samples: Float32) -> list[CallFrame]:
    """Return 16 kHz audio without content above 4 kHz as Twilio's frames."""
    data = g711(samples[::2])
    whole = len(data) - len(data) % FRAME_BYTES
    return frames_of(data[:whole], FRAME_BYTES, FRAME_MS)


def with_gap(before: Sequence[CallFrame], after: Sequence[CallFrame]) -> list[CallFrame]:
    """Return the frames of a call, of which those of a gap were never sent."""
    lost = GAP_MS // FRAME_MS
    number, time_ms = len(before) + lost, (len(before) + lost) * FRAME_MS
    return [*before, *(replace(f, number=f.number + number, timestamp_ms=f.timestamp_ms + time_ms) for f in after)]


def disturbed(frames: Sequence[CallFrame]) -> list[CallFrame]:
    """Return the frames as a bad line has them: one in five overtakes others, one in twenty comes twice."""
    chance = random.Random(5)
    places = [(n + chance.choice((0, 0, 0, 0, 3)), n) for n in range(len(frames))]
    arriving = [frames[n] for _, n in sorted(places)]
    return [twice for frame in arriving for twice in [frame] * (1 + (chance.random() < 0.05))]


async def captions(served: Served, frames: Sequence[CallFrame]) -> list[Message]:
    """Return the final cues and finals of a call, without what differs from one call to the next."""
    messages = [media_of("twilio", frame) for frame in frames]
    events = await watched_call(served, start_of("twilio"), *messages, stop_of("twilio"))
    lasting = [event for event in events if event["type"] == "final" or event.get("state") == "final"]
    passing = ("seq", "last_event_id", "revision", "latency_ms")
    return [{name: value for name, value in event.items() if name not in passing} for event in lasting]


def times(events: Sequence[Message], kind: str) -> list[tuple[float, float]]:
    return [(float(str(e["start_s"])), float(str(e["end_s"]))) for e in events if e["type"] == kind]


async def test_generated_speech_has_its_cues_at_the_right_times() -> None:
    before = telephone(np.concatenate([silence(0.5), tone(1.2)]))
    after = telephone(np.concatenate([tone(1.2), silence(0.8)]))
    async with serving_files() as served:
        messages = await captions(served, disturbed(with_gap(before, after)))
    first, second = times(messages, "final")
    assert first == pytest.approx((0.1, 2.0), abs=0.05)  # 0.5 to 1.7 with what is kept around speech
    assert second == pytest.approx((3.3, 5.2), abs=0.05)  # 3.7 to 4.9
    for (cue_start_s, _), (start_s, end_s) in zip(times(messages, "cue"), (first, second), strict=True):
        assert start_s <= cue_start_s < start_s + 0.4 < end_s


async def test_a_disturbed_call_is_captioned_as_the_undisturbed_one() -> None:
    before = telephone(np.concatenate([silence(0.5), tone(1.2)]))
    after = telephone(np.concatenate([tone(1.2), silence(0.8)]))
    undisturbed = telephone(np.concatenate([silence(0.5), tone(1.2), silence(GAP_MS / 1_000), tone(1.2), silence(0.8)]))
    async with serving_files() as served:
        expected = await captions(served, undisturbed)
    async with serving_files() as served:
        assert await captions(served, disturbed(with_gap(before, after))) == expected


async def test_a_recorded_call_has_its_words_at_the_right_times() -> None:
    first, second = recording(FIRST), recording(SECOND)
    frames = with_gap(telephone(first), telephone(np.concatenate([second, silence(0.8)])))
    settings = load_settings(EMBEDDED)
    async with serving(create_engine(settings.engine), settings) as served:
        messages = await captions(served, disturbed(frames))
    finals = [event for event in messages if event["type"] == "final"]
    transcript = " ".join(words(" ".join(str(final["text"]) for final in finals)))
    assert jiwer.wer(f"{SPOKEN_TEXT[FIRST]} {SPOKEN_TEXT[SECOND]}".lower(), transcript) <= 0.15
    cut_s = len(first) / SAMPLE_RATE_HZ
    (_, first_end_s), (second_start_s, _), *_ = times(messages, "final")
    assert first_end_s == pytest.approx(cut_s, abs=0.3)
    assert second_start_s == pytest.approx(cut_s + GAP_MS / 1_000, abs=0.3)
