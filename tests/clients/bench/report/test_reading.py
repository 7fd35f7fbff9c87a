"""Results are read back as they were written; what is no result is refused with its path and the reason."""

from pathlib import Path

import msgspec
import pytest

from clients.bench.report.reading import ResultUnreadable, read_results
from clients.bench.result import Result
from tests.clients.bench.results import an_empty_result, two_results


def written(folder: Path, name: str, text: bytes) -> Path:
    path = folder / name
    path.write_bytes(text)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ResultUnreadable) as raised:
        read_results([path])
    return str(raised.value)


def test_results_are_read_in_the_order_of_their_paths(tmp_path: Path) -> None:
    results = [*two_results(loads=[1, 2]), an_empty_result()]
    paths = [written(tmp_path, f"{place}.json", msgspec.json.encode(result)) for place, result in enumerate(results)]
    found = read_results(paths)
    assert [msgspec.json.encode(result) for result in found] == [msgspec.json.encode(result) for result in results]


def test_no_paths_are_no_results() -> None:
    assert read_results([]) == []


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    assert refusal(path) == f"{path}: No such file or directory"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: Is a directory"


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"schema": ', b"\xff\xfe"], ids=["empty", "html", "cut", "binary"])
def test_what_is_not_json_is_refused(tmp_path: Path, text: bytes) -> None:
    path = written(tmp_path, "a.json", text)
    assert refusal(path).startswith(f"{path}: not JSON: ")


@pytest.mark.parametrize("text", [b"[]", b"3", b'{"schema": 1}'])
def test_other_json_is_refused(tmp_path: Path, text: bytes) -> None:
    path = written(tmp_path, "a.json", text)
    assert refusal(path).startswith(f"{path}: not a result of livecue bench: Expected ")


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", b'{"schema": "livecue-bench/2"}')
    assert refusal(path) == f"{path}: schema livecue-bench/2, expected livecue-bench/1"


def test_a_missing_version_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", b"{}")
    assert refusal(path) == f"{path}: schema missing, expected livecue-bench/1"


def test_a_result_without_a_field_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", b'{"schema": "livecue-bench/1", "created_at": "2026"}')
    assert refusal(path) == f"{path}: not of schema livecue-bench/1: Object missing required field `tool`"


def test_fields_of_a_later_release_are_ignored(tmp_path: Path) -> None:
    result = an_empty_result()
    text = msgspec.json.encode({**msgspec.to_builtins(result), "later": 1})
    found: list[Result] = read_results([written(tmp_path, "a.json", text)])
    assert found[0].server == result.server
