"""Files that are appended to: whole blocks, each once, also after a crash."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import webvtt

from gateway.captions.subtitles import to_srt
from gateway.errors import ConfigurationError
from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkUnavailable, item_of, kind_of
from gateway.sinks.target import parse_target
from gateway.wire import Correction, CueEvent, ServerEvent
from tests.events import final, final_cue, ready
from tests.sinks import OPENED_S

FACTS = SessionFacts("a", OPENED_S)
CUES = [final_cue(1), final_cue(2, 2), final_cue(3, 3)]


async def written(path: Path, events: Sequence[ServerEvent], number: int = 1) -> None:
    """Append events with a sink of its own, as after a restart."""
    target = parse_target("file", f"file://{path}")
    async with kind_of("file").open(target, FACTS) as sink:
        for offset, event in enumerate(events):
            item = item_of(event)
            assert item is not None
            await sink.send(Delivery(event, item, number + offset, FACTS, OPENED_S))


def expected(events: Sequence[CueEvent]) -> str:
    return to_srt([event.cue for event in events])


async def test_a_subrip_file_goes_on_where_it_ended(tmp_path: Path) -> None:
    await written(tmp_path / "{session}.srt", CUES[:2])
    await written(tmp_path / "{session}.srt", CUES[2:], 3)
    assert (tmp_path / "a.srt").read_text() == expected(CUES)


async def test_a_block_that_was_written_before_a_crash_is_not_written_again(tmp_path: Path) -> None:
    for name in ("{session}.srt", "{session}.vtt", "all.jsonl"):
        await written(tmp_path / name, CUES[:2])
        await written(tmp_path / name, CUES[1:], 2)
    assert (tmp_path / "a.srt").read_text() == expected(CUES)
    assert [caption.identifier for caption in webvtt.read(str(tmp_path / "a.vtt")).captions] == ["1.1", "2.1", "3.1"]
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("torn", ["2", "2\n00:00:02,006 --> 00:0", "2\n00:00:02,006 --> 00:00:02,012\nline 1\n"])
async def test_what_a_crash_left_of_a_block_is_removed(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "a.srt"
    path.write_text(expected(CUES[:1]) + torn)
    await written(tmp_path / "{session}.srt", CUES[1:], 2)
    assert path.read_text() == expected(CUES)


async def test_a_file_that_holds_only_a_torn_block_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:0")
    await written(tmp_path / "{session}.srt", CUES)
    assert (tmp_path / "a.srt").read_text() == expected(CUES)


async def test_a_text_file_may_have_several_sessions_that_begin_alike(tmp_path: Path) -> None:
    for _ in range(2):
        await written(tmp_path / "all.txt", [final(1)])
    await written(tmp_path / "all.txt", [final(1), final(2, 2)], 5)
    assert (tmp_path / "all.txt").read_text() == "words 1\nwords 1\nwords 2\n"


async def test_lines_of_json_are_the_native_messages_with_corrections(tmp_path: Path) -> None:
    correction = Correction(4, 1, 1, "corrected", ())
    await written(tmp_path / "deep" / "all.jsonl", [ready(), final(2), correction])
    lines = [json.loads(line) for line in (tmp_path / "deep" / "all.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["ready", "final", "correction"]
    assert "resume_token" not in lines[0]


@pytest.mark.parametrize(("name", "has_corrections"), [("a.jsonl", True), ("a.txt", False), ("{session}.srt", False)])
def test_only_lines_of_json_take_corrections(name: str, has_corrections: bool) -> None:
    target = parse_target("file", f"file:///tmp/{name}")
    assert (Item.CORRECTION in kind_of("file").takes(target)) is has_corrections


async def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkUnavailable, match=r"exists|[Nn]ot a directory"):
        await written(tmp_path / "file" / "all.txt", [final(1)])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file://host/a.txt", "expected file:///PATH"),
        ("file:a.txt", "expected file:///PATH"),
        ("file:///tmp/a.doc", "suffix '.doc': expected one of .srt, .vtt, .txt, .jsonl"),
        ("file:///tmp/a.srt", "expected {session} in the name"),
        ("file:///tmp/a.txt#size=2", "no option 'size': sinks of kind file have none"),
    ],
)
def test_a_wrong_path_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message.replace("{", r"\{")):
        parse_target("file", url)
