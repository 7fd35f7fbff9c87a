"""The cues of a session are replaced by those of the whole text."""

from io import StringIO

from clients.caption_writers import OutputFormat, open_output
from gateway.captions.cue_profiles import PROFILES
from gateway.cli.file_output import FileOutput
from gateway.wire import Final, Latency, ServerEvent, SpeechStarted
from tests.events import final_cue

FIRST = Final(1, 1, 0, 16_000, "Good", "en", Latency(0, 0, 0, 0))
SECOND = Final(2, 2, 20_000, 32_000, "morning.", "en", Latency(0, 0, 0, 0))
FAILED = Final(3, 3, 40_000, 48_000, "", "en", Latency(0, 0, 0, 0), error="engine_failed")


def written(*events: ServerEvent) -> str:
    file = StringIO()
    output = FileOutput(open_output(OutputFormat.SRT, file), PROFILES["web"])
    for event in events:
        output.event(event)
    assert output.close() == ()
    return file.getvalue()


def test_cues_of_the_session_are_not_written() -> None:
    assert written(SpeechStarted(1, 1, 0), final_cue(2), FIRST, final_cue(3, 2), SECOND) == (
        "1\n00:00:00,000 --> 00:00:02,000\nGood morning.\n\n"
    )


def test_text_before_a_failed_utterance_is_written_before_its_mark() -> None:
    assert written(FIRST, SECOND, FAILED) == (
        "1\n00:00:00,000 --> 00:00:02,000\nGood morning.\n\n2\n00:00:02,500 --> 00:00:03,000\n[missing]\n\n"
    )
