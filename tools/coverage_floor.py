"""Fail if the tests leave a line or branch of the pure core uncovered.

python -m tools.coverage_floor tests                 # print the tests of the pure core, for pytest
python -m tools.coverage_floor build/coverage.json   # check the coverage that `coverage json` reports

The pure core is every module whose docstring has the word PURE.
"""

import ast
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

ROOT = Path(__file__).parent.parent
PACKAGES = ("clients", "decoder", "gateway", "vad")

ALLOWED: Mapping[str, float] = {
    "gateway/session/channel_pipelines.py": 90,  # a resumed session has one channel; no unit test resumes it
}
"""Module → the percentage that it must reach until it reaches 100. The table only shrinks."""

ALSO = (
    "tests/contracts/test_codecs.py",
    "tests/contracts/test_dialect_drivers.py",
    "tests/decoder/engines/moonshine",
    "tests/gateway/captions",
    "tests/gateway/session/test_file_session.py",
    "tests/gateway/session/test_session.py",
    "tests/gateway/test_golden.py",
    "tests/gateway/wire",
)
"""Tests that cover many pure modules."""

_PURE = re.compile(r"\bPURE\b")
_COMPLETE = 100.0


class _Summary(msgspec.Struct):
    percent_covered: float


class Module(msgspec.Struct):
    """Coverage of one module; a branch leads from a line to a line, or out of the function (negative)."""

    summary: _Summary
    missing_lines: list[int]
    missing_branches: list[tuple[int, int]]


class Report(msgspec.Struct):
    """Coverage of all modules, by path."""

    files: dict[str, Module]


def pure_modules(root: Path = ROOT) -> list[str]:
    """Return the paths of all pure modules below a folder, relative to it."""
    paths = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    return [path.relative_to(root).as_posix() for path in paths if _PURE.search(_docstring(path))]


def core_tests(root: Path = ROOT) -> list[str]:
    """Return the tests of the pure core: test files named after a pure module, and those in `ALSO`."""
    tests = root / "tests"
    named = {
        path.relative_to(root).as_posix()
        for module in map(Path, pure_modules(root))
        for path in (tests / module.parent).glob(f"test_{module.stem}*.py")
    }
    return sorted({*ALSO, *(path for path in named if not path.startswith(ALSO))})


def shortfalls(report: Report, pure: Iterable[str], allowed: Mapping[str, float]) -> list[str]:
    """Return one line per problem: uncovered code, and obsolete allowances.

    Args:
        report: with branches.
        pure: paths of modules.
        allowed: path → minimum percentage of a module that does not reach 100 yet.
    """
    pure = tuple(pure)
    found = [f"{path}: has an allowance, but is missing or not pure" for path in allowed.keys() - set(pure)]
    for path in pure:
        module = report.files.get(path)
        if module is None:
            found.append(f"{path}: no test imports it")
            continue
        percent, floor = module.summary.percent_covered, allowed.get(path, _COMPLETE)
        if percent < floor:
            found.append(f"{path}: {percent:.1f} % of {floor:g} %, {_uncovered(module)}")
        elif percent == _COMPLETE > floor:
            found.append(f"{path}: 100 %, so remove its allowance")
    return sorted(found)


def _uncovered(module: Module) -> str:
    branches = [f"{line} → {'exit' if target < 0 else target}" for line, target in module.missing_branches]
    lines = [f"lines {', '.join(map(str, module.missing_lines))}"] if module.missing_lines else []
    return "; ".join([*lines, *([f"branches {', '.join(branches)}"] if branches else [])])


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def main(path: str) -> int:
    """Print the tests, or the problems, and return the exit code: 0, or 1 if there are problems."""
    if path == "tests":
        print(*core_tests())
        return 0
    pure = pure_modules()
    found = shortfalls(msgspec.json.decode(Path(path).read_bytes(), type=Report), pure, ALLOWED)
    print(*found, f"{len(pure)} pure modules, {len(found)} below their floor", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
