"""`captions.js`: which of a session's messages are displayed. In a browser, without a gateway."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TypedDict

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

ROOT = Path(__file__).parents[2]

SOURCE = (ROOT / "clients" / "web" / "captions.js").read_text()

GOLDEN = sorted(ROOT.glob("tests/golden/*.jsonl"))

Message = Mapping[str, object]

TAKE = """async ([source, messages]) => {
  const { Captions } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const captions = new Captions();
  return messages.map((message) => {
    captions.take(message);
    return {
      visible: captions.entries.filter((entry) => entry.isVisible).map((entry) => ({ ...entry })),
      lines: captions.lastLines(2),
      isPending: captions.isPending,
    };
  });
}"""


class Entry(TypedDict):
    """The tested part of an entry of captions.js."""

    key: str
    kind: str
    channel: int | None
    stable: str
    tail: str
    isFinal: bool
    utteranceId: int | None
    revision: int
    error: str | None
    language: str | None


class Version(TypedDict):
    """The display after a message."""

    visible: list[Entry]
    lines: list[dict[str, str]]
    isPending: bool


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page for all tests of this module, which leave no state in it."""
    blank = await browser.new_page()
    yield blank
    await blank.close()


async def versions(page: Page, messages: Sequence[Message]) -> list[Version]:
    """Return the display after each message."""
    found: list[Version] = await page.evaluate(TAKE, [SOURCE, messages])
    return found


async def visible(page: Page, *messages: Message) -> list[Entry]:
    """Return the visible entries after the last message."""
    return (await versions(page, messages))[-1]["visible"]


def cue(text: str, stable: int = 0, revision: int = 1, cue_id: str = "0.1", **more: object) -> Message:
    common = {"id": cue_id, "utterance_id": 0, "revision": revision, "start_s": float(cue_id[2:]), "state": "partial"}
    return {"type": "cue", **common, "lines": text.split("\n") if text else [], "stable_chars": stable, **more}


def final(text: str, **more: object) -> Message:
    return {"type": "final", "utterance_id": 0, "start_s": 0.2, "end_s": 2.0, "text": text, **more}


def server_messages(path: Path) -> list[Message]:
    """Return the gateway's messages of a golden session."""
    return [line["server"] for line in map(json.loads, path.read_text().splitlines()) if "server" in line]


def words(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    return [(entry["stable"], entry["tail"]) for entry in entries]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([cue("two three four", 3)], ("two", " three four")),
        ([cue("two three\nfour five", 11)], ("two three f", "our five")),
        ([cue("two three\nfour", 9)], ("two three", " four")),
        ([cue("two", 3), cue("three four", 5, cue_id="0.2")], ("two three", " four")),
        ([cue("two", 0), cue("three four", 0, cue_id="0.2")], ("", "two three four")),
        ([cue("two"), cue("", revision=2)], None),
        ([cue("two", revision=2), cue("one", revision=1)], ("", "two")),
        ([cue("later", cue_id="0.2"), cue("earlier", 7, state="final")], ("earlier", " later")),
        ([cue("😀 two", 1)], ("😀", " two")),
        ([cue("今日は\n天気", 4)], ("今日は", "天気")),
        ([cue("안녕\n하세요", 2)], ("안녕", " 하세요")),
        ([cue("two", 3), final("two")], ("two", "")),
        ([cue("two", 3), final("")], None),
        ([cue("to free", 7), cue("two three", 9, 2, state="final")], ("two three", "")),
        ([cue("to free", 7), cue("two three", 9, 2, state="final"), final("two three")], ("two three", "")),
        ([final("two"), cue("one", revision=9)], ("two", "")),
    ],
    ids=str,
)
async def test_an_utterance_displays_its_newest_cues_and_then_its_final(
    page: Page, messages: list[Message], expected: tuple[str, str] | None
) -> None:
    assert words(await visible(page, *messages)) == ([] if expected is None else [expected])


def correction(text: str, revision: int = 1, **more: object) -> Message:
    lines = text.split("\n") if text else []
    cues = [{**cue(line, 0, 9, f"0.{n}"), "state": "final"} for n, line in enumerate(lines, start=1)]
    text = text.replace("\n", " ")
    common = {"utterance_id": 0, "seq": 100 + revision, "revision": revision}
    return {"type": "correction", **common, "text": text, "cues": cues, **more}


SPOKEN = [cue("two free", 8, 2, state="final"), final("two free")]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([*SPOKEN, correction("two three")], "two three"),
        ([*SPOKEN, correction("two three"), *SPOKEN], "two three"),
        ([*SPOKEN, correction("two"), correction("two three", 2)], "two three"),
        ([*SPOKEN, correction("two three", 2), correction("two")], "two three"),
        ([*SPOKEN, correction("two", 2), correction("two three", 2, seq=109)], "two three"),
        ([*SPOKEN, correction("")], None),
        ([*SPOKEN, correction(""), correction("two three", 2)], "two three"),
        ([final(""), correction("two")], "two"),
        ([*SPOKEN, correction("other", channel=1)], "two free"),
        ([correction("two")], None),
        ([cue("two"), correction("three")], None),
    ],
    ids=str,
)
async def test_a_correction_replaces_the_final_of_its_utterance(
    page: Page, messages: list[Message], expected: str | None
) -> None:
    entries = [entry for entry in await visible(page, *messages) if entry["isFinal"]]
    assert words(entries) == ([] if expected is None else [(expected, "")])


async def test_a_correction_replaces_all_cues_and_says_which_revision_it_is(page: Page) -> None:
    second = cue("five", 4, 2, "0.2", state="final")
    found = await versions(page, [SPOKEN[0], second, SPOKEN[1], correction("two\nthree", 4)])
    assert [line["stable"] for line in found[-2]["lines"]] == ["two free", "five"]
    assert [line["stable"] for line in found[-1]["lines"]] == ["two", "three"]
    assert [(v["visible"][0]["revision"], v["visible"][0]["utteranceId"]) for v in found[-2:]] == [(0, 0), (4, 0)]


async def test_corrected_words_are_no_longer_missing(page: Page) -> None:
    (entry,) = await visible(page, final("", error="engine_failed"), correction("two"))
    assert (entry["stable"], entry["error"]) == ("two", None)


async def test_missing_words_and_lost_audio_are_marked(page: Page) -> None:
    gap = {"type": "gap", "start_s": 5.0, "end_s": 8.0}
    entries = await visible(page, gap, final("", error="engine_failed"), gap)
    assert [(entry["kind"], entry["error"]) for entry in entries] == [("words", "engine_failed"), ("gap", None)]


async def test_channels_are_kept_apart_and_ordered_by_time(page: Page) -> None:
    late = final("later", channel=1, start_s=3.0)
    early = final("earlier", channel=0, start_s=1.0)
    entries = await visible(page, late, early)
    assert [(entry["channel"], entry["stable"]) for entry in entries] == [(0, "earlier"), (1, "later")]


async def test_words_have_a_language_when_it_is_known(page: Page) -> None:
    ready = {"type": "ready", "language": "de"}
    assert (await visible(page, ready, cue("zwei")))[0]["language"] == "de"
    assert (await visible(page, ready, final("two", language="en")))[0]["language"] == "en"


async def test_unknown_messages_are_skipped(page: Page) -> None:
    assert await visible(page, {"type": "applause", "seq": 3}, {"type": "ack", "seq": 4}) == []


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
async def test_whole_sessions_display_their_finals_and_retract_stable_words_only_with_the_final(
    page: Page, path: Path
) -> None:
    messages = server_messages(path)
    if not messages:
        pytest.skip("it has no server messages")
    found = await versions(page, messages)
    before: dict[str, Entry] = {}
    for version in found:
        now = {entry["key"]: entry for entry in version["visible"]}
        for key, entry in now.items():
            is_kept = entry["stable"].startswith(before[key]["stable"] if key in before else "")
            assert is_kept or entry["isFinal"]
        before = now
    finals = [message["text"] for message in messages if message["type"] == "final"]
    assert [entry["stable"] for entry in found[-1]["visible"] if entry["isFinal"]] == [text for text in finals if text]
    if messages[-1]["type"] == "finished":
        assert not found[-1]["isPending"]


async def test_repeated_messages_change_nothing(page: Page) -> None:
    messages = server_messages(next(path for path in GOLDEN if path.stem == "long_speech"))
    random = Random(6)
    repeated = [each for n in range(len(messages)) for each in (messages[n], *random.sample(messages[: n + 1], 1))]
    assert await visible(page, *repeated) == await visible(page, *messages)
