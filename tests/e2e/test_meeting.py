"""The main job: speech in, the right words out as cues, on the embedded engine."""

from functools import partial
from pathlib import Path

import jiwer
import pytest
import webvtt

from clients.paced_media import MEDIA_FORMAT, MediaFile, paced
from clients.stream import stream
from gateway.captions.subtitles import to_srt, to_vtt
from gateway.in_process import local_connection
from gateway.settings import load_settings
from gateway.wire import Cue, CueEvent, CueState, Final, ServerEvent, Start
from tests.meeting import RECORDING, spoken_words, words
from tests.servers import EMBEDDED

SPEED = 3.0
"""The engine has time for partials; as fast as it is taken there would be none."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def events() -> list[ServerEvent]:
    """The events of the whole recording, sent faster than real time."""
    import anyio

    received: list[ServerEvent] = []

    async def run() -> None:
        settings = load_settings(EMBEDDED)
        with MediaFile(str(RECORDING)) as media:
            gateway = partial(local_connection, settings)
            await stream(gateway, Start(MEDIA_FORMAT, words=True), paced(media.frames(), SPEED), received.append)

    anyio.run(run)
    return received


def finals(events: list[ServerEvent]) -> list[Final]:
    return [event for event in events if isinstance(event, Final)]


def final_cues(events: list[ServerEvent]) -> list[Cue]:
    cues = [event.cue for event in events if isinstance(event, CueEvent)]
    return [cue for cue in cues if cue.state is CueState.FINAL]


def test_the_words_are_right(events: list[ServerEvent]) -> None:
    transcript = words(" ".join(final.text for final in finals(events)))
    assert jiwer.wer(" ".join(spoken_words()), " ".join(transcript)) <= 0.05


def test_every_sentence_is_an_utterance_with_word_times(events: list[ServerEvent]) -> None:
    for final in finals(events):
        assert "".join(word.text for word in final.words) == "".join(final.text.split())
        starts = [word.start_sample for word in final.words]
        assert starts == sorted(starts)
        assert final.start_sample <= starts[0] <= final.words[-1].end_sample <= final.end_sample


def test_cues_hold_exactly_the_words_of_the_finals(events: list[ServerEvent]) -> None:
    displayed = " ".join(line for cue in final_cues(events) for line in cue.lines)
    assert displayed.split() == " ".join(final.text for final in finals(events)).split()


def test_partials_come_before_their_finals_and_stable_text_stays_until_then(events: list[ServerEvent]) -> None:
    stable: dict[str, str] = {}
    partials = 0
    for event in events:
        if isinstance(event, CueEvent) and event.cue.state is CueState.PARTIAL and event.cue.lines:
            text = "\n".join(event.cue.lines)
            assert text.startswith(stable.get(event.cue.cue_id, ""))
            stable[event.cue.cue_id] = text[: event.cue.stable_chars]
            partials += 1
    assert partials


def test_subtitle_files_are_read_back_by_others(events: list[ServerEvent], tmp_path: Path) -> None:
    cues = final_cues(events)
    (tmp_path / "meeting.srt").write_text(to_srt(cues))
    (tmp_path / "meeting.vtt").write_text(to_vtt(cues))
    read = [webvtt.from_srt(str(tmp_path / "meeting.srt")), webvtt.read(str(tmp_path / "meeting.vtt"))]
    for captions in read:
        assert [caption.lines for caption in captions.captions] == [list(cue.lines) for cue in cues]
