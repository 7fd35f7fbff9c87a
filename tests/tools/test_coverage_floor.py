"""The coverage floor of the pure core: every branch, with allowances that only shrink."""

import json
from pathlib import Path

import msgspec
import pytest

from tests.test_layers import name_of
from tests.test_layers import pure_modules as checked_modules
from tools.coverage_floor import ALLOWED, ALSO, ROOT, Module, Report, core_tests, main, pure_modules, shortfalls


def report(percent: float, path: str = "vad/a.py") -> Report:
    lines, branches = ([], []) if percent == 100 else ([7], [(6, 7), (9, -3)])
    file = {"summary": {"percent_covered": percent}, "missing_lines": lines, "missing_branches": branches}
    return msgspec.convert({"files": {path: file}}, Report)


def test_the_modules_are_those_that_are_checked_to_be_pure() -> None:
    assert set(pure_modules()) == {name_of(path) for path in checked_modules()}


def test_a_module_is_pure_when_its_docstring_has_the_word(tmp_path: Path) -> None:
    (tmp_path / "vad").mkdir()
    (tmp_path / "vad" / "a.py").write_text('"""Sums. PURE."""\n')
    (tmp_path / "vad" / "b.py").write_text('"""Sums, IMPURE."""\nPURE = 1\n')

    assert pure_modules(tmp_path) == ["vad/a.py"]


def test_the_tests_of_the_core_are_named_after_its_modules(tmp_path: Path) -> None:
    for path, text in (
        ("vad/level.py", '"""PURE."""'),
        ("vad/file.py", '"""Reads."""'),
        ("tests/vad/test_level.py", ""),
        ("tests/vad/test_level_properties.py", ""),
        ("tests/vad/test_file.py", ""),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    assert core_tests(tmp_path) == sorted((*ALSO, "tests/vad/test_level.py", "tests/vad/test_level_properties.py"))


def test_the_tests_of_many_modules_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("tests") == 0
    assert all((ROOT / path).exists() for path in capsys.readouterr().out.split())


def test_an_uncovered_branch_is_listed() -> None:
    assert shortfalls(report(99.5), ["vad/a.py"], {}) == [
        "vad/a.py: 99.5 % of 100 %, lines 7; branches 6 → 7, 9 → exit"
    ]
    assert shortfalls(report(100), ["vad/a.py"], {}) == []


def test_a_module_without_coverage_is_listed() -> None:
    assert shortfalls(Report({}), ["vad/a.py"], {}) == ["vad/a.py: no test imports it"]


@pytest.mark.parametrize(
    ("percent", "found"),
    [(91.0, []), (90.0, []), (89.9, ["89.9 % of 90 %"]), (100, ["100 %, so remove its allowance"])],
)
def test_an_allowance_applies_until_it_is_obsolete(percent: float, found: list[str]) -> None:
    lines = shortfalls(report(percent), ["vad/a.py"], {"vad/a.py": 90})

    assert [line.removeprefix("vad/a.py: ").partition(", lines")[0] for line in lines] == found


def test_an_allowance_of_a_missing_module_is_listed() -> None:
    assert shortfalls(report(100), ["vad/a.py"], {"vad/gone.py": 90}) == [
        "vad/gone.py: has an allowance, but is missing or not pure"
    ]


def test_the_exit_code_is_1_if_there_are_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = {"summary": {"percent_covered": 100.0}, "missing_lines": [], "missing_branches": []}
    files = {path: whole for path in pure_modules() if path not in ALLOWED}
    allowed = {
        path: {"summary": {"percent_covered": percent}, "missing_lines": [1], "missing_branches": []}
        for path, percent in ALLOWED.items()
    }
    file = tmp_path / "coverage.json"
    file.write_text(json.dumps({"files": files | allowed}))
    assert main(str(file)) == 0

    files.popitem()
    file.write_text(json.dumps({"files": files | allowed}))
    assert main(str(file)) == 1
    assert "1 below their floor" in capsys.readouterr().out


def test_a_report_without_branches_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="missing_branches"):
        msgspec.convert({"summary": {"percent_covered": 100.0}, "missing_lines": []}, Module)
