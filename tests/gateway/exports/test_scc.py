"""Pop-on captions, as ttconv's decoder and ours display them."""

import re

import pytest
import ttconv.scc.reader
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.checks.scc_reader import read_scc
from gateway.exports.document import Caption, Document
from gateway.exports.scc import NotLatin, to_scc
from tests.gateway.exports.oracles import paragraphs

FRAME_S = 1001 / 30_000


def written(*captions: Caption, language: str | None = None) -> str:
    return to_scc(Document(captions, language=language)).text


def read(text: str) -> list[tuple[float, float, str]]:
    return [
        (begin, end, "\n".join(line.strip() for line in displayed.replace("━", "—").splitlines()))
        for begin, end, displayed in paragraphs(ttconv.scc.reader.to_model(text))
    ]


def test_a_caption_is_loaded_in_the_frames_before_it_is_displayed() -> None:
    assert written(Caption(1_001, 2_002, ("ab",))) == (
        "Scenarist_SCC V1.0\n\n"
        "00:00:00;21\t9420 9420 94ae 94ae 9476 9476 9723 9723 6162 942f 942f\n\n"
        "00:00:02;00\t942c 942c\n\n"
    )


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3_000),
            st.integers(1_700, 5_000),
            st.lists(st.text("abc é♪“—ÉñZ19", min_size=1, max_size=32).filter(str.strip), min_size=1, max_size=2),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_decoders_display_each_caption_in_its_time(spoken: list[tuple[int, int, list[str]]]) -> None:
    captions: list[Caption] = []
    end_ms = 3_000
    for gap_ms, duration_ms, lines in spoken:
        start_ms = end_ms + gap_ms
        end_ms = start_ms + duration_ms
        captions.append(Caption(start_ms, end_ms, tuple(line.strip() for line in lines)))
    text = written(*captions)

    displayed = read(text)
    assert [lines for _, _, lines in displayed] == ["\n".join(caption.lines) for caption in captions]
    ours = read_scc(text)
    assert [(each.lines, each.faults) for each in ours] == [(caption.lines, ()) for caption in captions]
    for caption, (begin_s, end_s, _), own in zip(captions, displayed, ours, strict=True):
        assert begin_s == pytest.approx(own.start_ms / 1000, abs=0.002)
        assert end_s == pytest.approx(own.end_ms / 1000, abs=0.002)
        assert begin_s - caption.start_ms / 1000 < 5 * FRAME_S + 1.7  # dense captions wait for the frames they need
        assert end_s >= begin_s


def test_captions_with_time_to_load_are_displayed_to_the_frame() -> None:
    captions = (
        Caption(2_000, 4_000, ("the first one",)),
        Caption(4_080, 6_500, ("follows at once",)),  # the erasure would come as it is displayed
        Caption(7_000, 9_000, ("is loaded as the first goes",)),  # the erasure is among its words
        Caption(20_000, 21_000, ("comes much later",)),
    )
    file = to_scc(Document(captions))
    assert (file.late, file.latest_ms) == (0, 0)
    found = read(file.text)
    for caption, (begin_s, _, _) in zip(captions, found, strict=True):
        assert begin_s == pytest.approx(caption.start_ms / 1000, abs=FRAME_S / 2 + 0.001)
    ends_s = [end_s for _, end_s, _ in found]
    assert ends_s == pytest.approx([4.08, 6.5, 9.0, 21.0], abs=3 * FRAME_S)


def test_captions_that_do_not_fit_the_frames_are_late_and_counted() -> None:
    captions = [Caption(3_000 + 500 * n, 3_500 + 500 * n, ("x" * 32, "y" * 32)) for n in range(3)]
    file = to_scc(Document(tuple(captions)))
    assert file.late == 2
    assert 1_500 < file.latest_ms < 3_000
    assert [lines for _, _, lines in read(file.text)] == ["\n".join(caption.lines) for caption in captions]


def test_wide_lines_are_wrapped_and_very_long_captions_shared() -> None:
    words = "the quick brown fox jumps over the lazy dog and "
    (wrapped,) = read(written(Caption(5_000, 9_000, (words.strip(),)), language="en"))
    assert wrapped[2].replace("\n", " ") == words.strip()
    assert max(map(len, wrapped[2].splitlines())) <= 32
    shared = read(written(Caption(5_000, 15_000, tuple(words.strip() for _ in range(5))), language="en"))
    assert len(shared) == 2
    assert " ".join(lines.replace("\n", " ") for _, _, lines in shared) == (words * 5).strip()
    assert max(lines.count("\n") for _, _, lines in shared) == 3


def test_replaced_characters_are_counted_and_other_scripts_refused() -> None:
    file = to_scc(Document((Caption(3_000, 5_000, ("Łódź is a city in Poland, Łódź is", "я")),)))
    assert (file.spelt, file.lost) == (4, 1)
    assert [lines for _, _, lines in read(file.text)] == ["Lódz is a city in Poland,\nLódz is ?"]
    with pytest.raises(NotLatin, match=r"6 of 6 characters are not in CEA-608: expected text in Latin letters"):
        to_scc(Document((Caption(0, 1_000, ("Привет",)),)))


def test_a_caption_without_visible_text_is_left_out() -> None:
    assert written(Caption(0, 1_000, ("\u200b",))) == "Scenarist_SCC V1.0\n\n"


def test_every_line_has_a_drop_frame_time_code_and_words_of_odd_parity() -> None:
    lines = written(Caption(60_000, 62_000, ("Naïve “café” ♪♪", "x"))).split("\n\n")[1:-1]
    for line in lines:
        assert re.fullmatch(r"\d\d:\d\d:\d\d;\d\d\t[0-9a-f]{4}( [0-9a-f]{4})*", line)
        assert all(byte.bit_count() % 2 for byte in bytes.fromhex(line.partition("\t")[2]))
