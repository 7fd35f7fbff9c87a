"""The CSV has every word of every stream of every run."""

import csv
from pathlib import Path

import pytest
from msgspec import structs

from clients.bench.report.words_csv import write_csv
from clients.bench.result import Result, Word
from tests.clients.bench.results import a_result, an_empty_result


def rows_of(result: Result, folder: Path) -> list[dict[str, str]]:
    write_csv(result, folder / "words.csv")
    with (folder / "words.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def with_words(result: Result, *words: Word) -> Result:
    """Return a result of one stream with certain words."""
    run = result.runs[0]
    stream = structs.replace(run.per_stream[0], words=words)
    return structs.replace(result, runs=[structs.replace(run, per_stream=[stream])])


def test_each_word_has_a_row(tmp_path: Path) -> None:
    result = a_result(loads=[1, 2])
    words = [word for run in result.runs for stream in run.per_stream for word in stream.words]
    rows = rows_of(result, tmp_path)
    assert [row["text"] for row in rows] == [word.text for word in words]
    assert [(row["run"], row["streams"], row["stream"]) for row in rows if row["word"] == "0"][:3] == [
        ("0", "1", "0"),
        ("1", "2", "0"),
        ("1", "2", "1"),
    ]


def test_a_row_has_the_fields_of_the_word_and_where_it_comes_from(tmp_path: Path) -> None:
    word = Word("said", 1.25, 1.5, True, "set", 1.75, 2.0, None, 2.5)
    assert rows_of(with_words(a_result(loads=[1]), word), tmp_path) == [
        {
            "run": "0",
            "purpose": "load",
            "streams": "1",
            "valid": "True",
            "stream": "0",
            "recording": "harbour-0",
            "word": "0",
            "text": "said",
            "start_s": "1.25",
            "end_s": "1.5",
            "ends_speech": "True",
            "written": "set",
            "first_shown_s": "1.75",
            "shown_s": "2.0",
            "committed_s": "",
            "final_s": "2.5",
        }
    ]


@pytest.mark.parametrize("text", ['a "quoted", word', "two\nlines", "Größe 東京"])
def test_any_word_is_read_back_as_it_was(tmp_path: Path, text: str) -> None:
    assert rows_of(with_words(a_result(loads=[1]), Word(text, 0.0, 1.0, False, None)), tmp_path)[0]["text"] == text


def test_a_result_without_words_has_headings_only(tmp_path: Path) -> None:
    assert rows_of(an_empty_result(), tmp_path) == []
    assert (tmp_path / "words.csv").read_text().startswith("run,purpose,streams,valid,stream,recording,word,text,")
