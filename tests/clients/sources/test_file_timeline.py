from clients.sources.file_timeline import FileTimeline
from clients.sources.timeline import Placed, TimedAudio

SECOND = bytes(32_000)


def test_audio_that_begins_late_and_missing_audio_are_silence() -> None:
    timeline = FileTimeline(begin_s=1.0, duration_s=None)
    assert timeline.push(TimedAudio(1.5, SECOND), 0.0) == [Placed(0, 8_000, SECOND)]
    assert timeline.push(TimedAudio(2.5, SECOND), 0.0) == [Placed(24_000, 0, SECOND)]
    assert timeline.push(TimedAudio(5.5, SECOND), 0.0) == [Placed(40_000, 32_000, SECOND)]


def test_no_audio_is_held() -> None:
    assert FileTimeline(None, 10.0).reconnected() == []
