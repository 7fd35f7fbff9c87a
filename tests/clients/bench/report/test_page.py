"""The report as a page: complete, valid, without requests, safe whatever the words are."""

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from xml.etree.ElementTree import Element

import pytest
from msgspec import structs

from clients.bench.report.definitions import DEFINITIONS
from clients.bench.report.html_file import read_assets
from clients.bench.report.page import Assets, page
from clients.bench.result import Correction, Result, Run, Stream
from tests.clients.bench.report.pages import all_text, elements, parsed_page
from tests.clients.bench.results import FAST, SLOW, Behaviour, a_result, an_empty_result, two_results

ATTACK = "</script><script>alert('1')</script><img src=x onerror=alert(2)>\"&'"


@cache
def whole_page() -> Element:
    """Return the page of two results with everything in it."""
    return parsed_page(two_results(loads=[1, 2, 8]))


def sections(root: Element) -> list[str]:
    return [str(heading.get("id")) for heading in root.iter("h2") if heading.get("id")]


def choices(root: Element) -> list[str]:
    return [str(block.get("data-name")) for block in elements(root, "choice")]


def with_streams(result: Result, streams: Sequence[Stream]) -> Result:
    return structs.replace(result, runs=[with_stream(run, streams) for run in result.runs])


def with_stream(run: Run, streams: Sequence[Stream]) -> Run:
    return structs.replace(run, per_stream=streams)


def renamed(result: Result, name: str) -> Result:
    return structs.replace(result, server=structs.replace(result.server, name=name))


def test_it_has_all_sections() -> None:
    assert sections(whole_page()) == [
        "summary",
        "load",
        "lags",
        "timeline",
        "accuracy",
        "delivery",
        "server-load",
        "clock",
        "withheld",
        "setup",
        "testset",
        "definitions",
    ]


def test_every_link_leads_to_a_section() -> None:
    root = whole_page()
    assert [link.get("href") for link in root.iter("a")] == [f"#{name}" for name in sections(root)]


def test_an_empty_result_has_the_sections_that_have_something_to_show() -> None:
    root = parsed_page([an_empty_result()])
    assert sections(root) == ["summary", "lags", "delivery", "clock", "withheld", "setup", "testset", "definitions"]
    assert "not measured" in all_text(root)
    assert "1011: no model" in all_text(root)


def test_a_result_without_runs_has_a_page() -> None:
    root = parsed_page([structs.replace(an_empty_result(), runs=[])])
    assert "Nothing was withheld." in all_text(root)


@pytest.mark.parametrize("streams", [[], None])
def test_runs_without_streams_have_neither_lags_nor_timelines(streams: list[Stream] | None) -> None:
    result = a_result(loads=[1], has_capacity=False)
    root = parsed_page([with_streams(result, streams or [])])
    assert {"lags", "timeline", "load"}.isdisjoint(sections(root))


def test_no_id_occurs_twice() -> None:
    ids = [found.get("id") for found in whole_page().iter() if found.get("id")]
    assert len(ids) == len(set(ids))


def test_nothing_is_requested() -> None:
    root = whole_page()
    addresses = [found.get(name) for found in root.iter() for name in ("src", "href", "srcset", "action", "data")]
    assert {address for address in addresses if address and not address.startswith("#")} == {"data:,"}
    assert {"img", "iframe", "object", "embed", "image", "use"}.isdisjoint({found.tag for found in root.iter()})
    assets = read_assets()
    assert not re.search(r"url\(|@import|fetch|XMLHttp|import\(|https?:", assets.style + assets.script)


def test_the_policy_allows_only_the_style_and_the_script_of_the_page() -> None:
    root = whole_page()
    (policy,) = (meta.get("content") for meta in root.iter("meta") if meta.get("http-equiv"))
    for name in ("style", "script"):
        (found,) = root.iter(name)
        digest = b64encode(sha256((found.text or "").encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in str(policy)
    assert str(policy).startswith("default-src 'none'; ")


def test_no_element_has_a_style_or_a_handler_which_the_policy_would_block() -> None:
    for found in whole_page().iter():
        assert "style" not in found.attrib
        assert not [name for name in found.attrib if name.startswith("on")]


def test_style_and_script_are_the_same_in_html_and_xml() -> None:
    assets = read_assets()
    assert not set("<&") & set(assets.style + assets.script)


def test_markup_in_any_text_is_text() -> None:
    result = a_result(Behaviour(ATTACK, 0.4, 0.6, 0.1, 0.2, 8), loads=[2])
    stream = result.runs[0].per_stream[0]
    words = [structs.replace(word, text=ATTACK, written=f"{ATTACK} x") for word in stream.words]
    hostile = structs.replace(
        stream,
        words=words,
        transcript=f"{ATTACK} {ATTACK}",
        recording=ATTACK,
        failure=ATTACK,
        corrections=[Correction(1.0, ATTACK, ATTACK, f"{ATTACK} more", True)],
    )
    run = structs.replace(result.runs[0], per_stream=[hostile], withheld={ATTACK: ATTACK})
    root = parsed_page(
        [
            structs.replace(
                result,
                runs=[run],
                notes=[ATTACK],
                tool=structs.replace(result.tool, command=[ATTACK]),
                machine=structs.replace(result.machine, cpu=ATTACK),
                testset=structs.replace(result.testset, name=ATTACK),
            )
        ]
    )
    assert len(list(root.iter("script"))) == 1
    assert len(list(root.iter("img"))) == 0
    assert ATTACK in all_text(root)


def test_every_drawing_has_a_description_or_is_hidden() -> None:
    for drawing in whole_page().iter("svg"):
        if "clip" not in drawing.get("class", ""):
            assert drawing.get("aria-label") or drawing.get("aria-hidden") == "true"


def test_there_is_a_block_of_lags_for_each_load_that_was_compared() -> None:
    assert choices(parsed_page(two_results(loads=[1, 2])))[:2] == ["1 stream", "2 streams"]


def test_loads_of_the_search_are_shown_where_there_are_no_others() -> None:
    result = a_result(loads=[2], has_capacity=False)
    tried = structs.replace(result, runs=[structs.replace(result.runs[0], purpose="capacity")])
    assert choices(parsed_page([tried])) == [
        "2 streams",
        "livecue, 2 streams, capacity: typical stream",
        "livecue, 2 streams, capacity: slowest stream",
    ]


def test_tries_of_the_search_have_no_timelines_where_there_are_other_runs() -> None:
    result = a_result(loads=[1, 2], has_capacity=False)
    runs = [result.runs[0], structs.replace(result.runs[1], purpose="capacity")]
    assert choices(parsed_page([structs.replace(result, runs=runs)])) == ["1 stream", "livecue, 1 stream: the stream"]


def test_timelines_are_of_the_typical_and_the_slowest_stream() -> None:
    result = a_result(loads=[4], has_capacity=False)
    streams = result.runs[0].per_stream
    lags = {
        stream.stream: sum(word.shown_s - word.end_s for word in stream.words if word.shown_s is not None)
        / sum(word.shown_s is not None for word in stream.words)
        for stream in streams
    }
    ordered = sorted(lags, key=lambda number: lags[number])
    notes = re.findall(r"Stream (\d+), recording", all_text(parsed_page([result])))
    assert [int(number) for number in notes] == [ordered[1], ordered[3]]


def test_a_stream_that_displayed_nothing_is_the_slowest() -> None:
    result = a_result(loads=[2], has_capacity=False)
    fast, slow = result.runs[0].per_stream
    silent = [structs.replace(word, first_shown_s=None, shown_s=None) for word in slow.words]
    root = parsed_page([with_streams(result, [structs.replace(slow, words=silent, stream=7), fast])])
    assert "Stream 7" in all_text(elements(root, "choice")[-1])


def test_without_times_of_words_there_are_errors_but_no_timeline_and_no_delivery() -> None:
    result = a_result(loads=[1], has_capacity=False)
    names = ("word_final", "finals", "goodput", "unanswered_s", "stability")
    run = structs.replace(result.runs[0], withheld=dict.fromkeys(names, "the times of the spoken words are unknown"))
    root = parsed_page([structs.replace(result, runs=[run])])
    headings = [heading.text for heading in root.iter("h3")]
    assert "timeline" not in sections(root)
    assert {"Finals", "Stability of the display"}.isdisjoint(headings)
    assert "On time, refused and failed" in headings


def test_a_long_timeline_says_that_it_is_cut() -> None:
    result = a_result(loads=[1], has_capacity=False)
    stream = result.runs[0].per_stream[0]
    long = structs.replace(stream, words=[*stream.words, *stream.words, *stream.words])
    assert "The first 160 of 234 words; the CSV has all." in all_text(parsed_page([with_streams(result, [long])]))


def test_corrections_are_struck_through_and_many_are_folded() -> None:
    result = a_result(loads=[1], has_capacity=False)
    corrections = [Correction(1.0, "1", "here you", "hear you", number == 0) for number in range(5)]
    stream = structs.replace(result.runs[0].per_stream[0], corrections=corrections)
    root = parsed_page([with_streams(result, [stream])])
    assert [removed.text for removed in root.iter("del")] == ["here"] * 5
    assert [added.text for added in root.iter("ins")] == ["hear"] * 5
    (folded,) = (found for found in root.iter("details") if found.find("ol") is not None)
    assert all_text(folded).startswith("5 corrections 1.00 s by the final here hear you 1.00 s here hear you")


def test_speech_without_an_answer_and_failures_are_named() -> None:
    text = all_text(parsed_page([a_result(FAST, loads=[16], has_capacity=False)]))
    assert "No final has a word of 12.0–13.2 s: 4 words." in text
    assert "503: 2 streams" in text


def test_invalid_runs_are_named_first_with_their_reasons() -> None:
    (warning,) = elements(parsed_page([a_result(SLOW, loads=[8], has_capacity=False)]), "warning")
    assert all_text(warning) == (
        "Invalid run : WhisperLive at 8 streams (load): frames were late: p99 0.198 s, allowed 0.020 s. "
        "Its figures do not count."
    )


def test_an_invalid_run_without_a_reason_says_so() -> None:
    result = a_result(SLOW, loads=[8], has_capacity=False)
    run = result.runs[0]
    bare = structs.replace(run, clock=structs.replace(run.clock, reasons=[]))
    root = parsed_page([structs.replace(result, runs=[bare])])
    assert "no reason given" in all_text(elements(root, "warning")[0])


def test_key_figures_are_of_a_valid_run_or_say_that_they_are_not() -> None:
    result = a_result(SLOW, loads=[1, 8], has_capacity=False)
    first, invalid = result.runs
    early = structs.replace(result, runs=[structs.replace(invalid, streams=1), structs.replace(first, streams=2)])
    only = structs.replace(result, runs=[invalid])
    cards = [all_text(elements(parsed_page([made]), "card")[0]) for made in (early, only)]
    assert "tiny.en · at 2 streams Words" in cards[0]
    assert "tiny.en · at 8 streams · INVALID Words" in cards[1]


def test_results_of_different_test_sets_must_not_be_compared() -> None:
    one, other = two_results(loads=[1])
    different = structs.replace(other, testset=structs.replace(other.testset, sha256="00" * 32))
    (warning,) = elements(parsed_page([one, different]), "warning")
    assert "must not be compared" in all_text(warning)


def test_servers_of_the_same_name_are_numbered() -> None:
    title = next(parsed_page([a_result(loads=[1]), a_result(loads=[1])]).iter("title"))
    assert title.text == "Streaming transcription: livecue, livecue (2)"


def test_a_number_does_not_collide_with_a_name() -> None:
    results = [renamed(a_result(loads=[1]), name) for name in ("a", "a", "a (2)")]
    title = next(parsed_page(results).iter("title"))
    assert title.text == "Streaming transcription: a, a (2), a (2) (2)"


def test_the_capacity_and_what_happened_beyond_are_shown() -> None:
    text = all_text(whole_page())
    assert "livecue 8 16 74.0 3 2 6.50 word_shown.p95<=1.5 and final.p95<=1.0" in text
    assert "Capacity 8 streams" in text


def test_capacity_at_one_load_has_a_table_without_charts() -> None:
    result = a_result(loads=[1])
    root = parsed_page([structs.replace(result, runs=result.runs[:1])])
    assert "load" in sections(root)
    assert "by streams" not in all_text(root)


def test_figures_that_no_run_has_are_left_out_of_the_charts_against_load() -> None:
    result = a_result(loads=[1, 2], has_capacity=False)
    runs = [structs.replace(run, server_load=None) for run in result.runs]
    text = all_text(parsed_page([structs.replace(result, runs=runs)]))
    assert "Words on time by streams % of words" in text
    assert "Word shown, p95 by streams; red: limit seconds" in text
    assert "Cores busy" not in text


def test_setup_has_machine_versions_and_the_command_as_a_shell_takes_it() -> None:
    result = a_result(loads=[1])
    command = ["livecue", "bench", "ws://a/?b=1&c", "--slo", "word_shown.p95<=1.5"]
    root = parsed_page([structs.replace(result, tool=structs.replace(result.tool, command=command))])
    assert "livecue bench 'ws://a/?b=1&c' --slo 'word_shown.p95<=1.5'" in all_text(root)
    assert "AMD EPYC 7B13, 2 cores, 8.0 GB" in all_text(root)
    assert "livecue bench 0.1.0, Python 3.12.4" in all_text(root)


def test_test_sets_have_their_hashes_and_normaliser() -> None:
    text = all_text(whole_page())
    assert text.count("5e" * 32) == 1
    assert f"whisper-english 0.1.0, SHA-256 {'a1' * 32}" in text
    assert "harbour-2" in text


def test_what_was_withheld_has_its_reason_once() -> None:
    text = all_text(whole_page())
    assert text.count("WhisperLive : word_committed – the dialect marks no committed text") == 1


def test_every_metric_is_defined() -> None:
    root = whole_page()
    assert [term.text for term in elements(root, "definitions")[0].iter("dt")] == [term for term, _ in DEFINITIONS]


def test_the_page_is_the_same_each_time() -> None:
    assets = Assets("", "")
    assert page(two_results(), assets) == page(two_results(), assets)
