"""The detector, engine, dialect and sink of CONTRIBUTING.md pass the contract suites as they stand there."""

import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from inspect import signature
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs

import pytest

from decoder.engine import ENGINES
from decoder.engine_selection import create_engine
from decoder.settings import EngineSettings
from gateway.sinks.sink import SINKS
from gateway.wire import CODECS
from tests.contracts import test_codecs, test_detectors, test_engines, test_sinks
from tests.contracts.engines import EngineCase
from tests.contracts.sinks import PLACES, http_place
from tests.test_layers import ROOT
from vad.detector import DETECTORS

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = re.compile(r"Write `(?P<path>[\w/]+)\.py`.*?```python\n(?P<code>.*?)```", re.DOTALL)
CODE = {found["path"].replace("/", "."): found["code"] for found in FILES.finditer(TEXT)}
"""Module → its text."""


def written(module: str, patch: pytest.MonkeyPatch) -> None:
    """Let a module of CONTRIBUTING.md be imported, as if its file were there."""
    made = ModuleType(module)
    exec(compile(CODE[module], module, "exec"), made.__dict__)  # noqa: S102  # our own text
    patch.setitem(sys.modules, module, made)


def named_in(table: str) -> tuple[str, str]:
    """Return the entry that CONTRIBUTING.md adds to a table."""
    found = re.search(rf'Name it in `{table}`: `"(\w+)": "([\w.:]+)"`', TEXT)
    assert found is not None
    return found[1], found[2]


def promises(suite: ModuleType, *parameters: str) -> Iterator[tuple[Callable[..., object], dict[str, object]]]:
    """Yield the tests of a suite that need no more than these parameters, with values for all others."""
    for name, test in vars(suite).items():
        if not name.startswith("test_") or not (needed := signature(test).parameters).keys() & set(parameters):
            continue
        marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.args[0] not in parameters]
        for values in ({mark.args[0]: value for mark in marks} for value in (marks[0].args[1] if marks else (None,))):
            assert needed.keys() <= {*parameters, *values}, name
            yield test, values


def test_there_is_one_file_for_each_seam() -> None:
    entries = [named_in(table)[1].partition(":")[0] for table in ("DETECTORS", "ENGINES", "CODECS", "SINKS")]

    assert list(CODE) == entries


def test_the_detector_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    name, factory = named_in("DETECTORS")
    written(factory.partition(":")[0], monkeypatch)
    monkeypatch.setitem(DETECTORS, name, factory)

    ran = [test(name, **values) for test, values in promises(test_detectors, "name")]
    assert len(ran) > 8


async def test_the_engine_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    name, factory = named_in("ENGINES")
    written(factory.partition(":")[0], monkeypatch)
    monkeypatch.setitem(ENGINES, name, factory)
    engine, case = create_engine(EngineSettings(name=name)), EngineCase(name, lambda _: None, ("en", "en"), None)
    alone = [answer for item in test_engines.mixture(case) for answer in await engine.decode([item])]
    known = {"engine": engine, "case": case, "alone": alone}

    ran = 0
    for test, values in promises(test_engines, *known):
        try:
            running = test(**{key: known[key] for key in signature(test).parameters.keys() & known.keys()}, **values)
            assert isinstance(running, Awaitable)
            await running
        except pytest.skip.Exception:
            continue
        ran += 1
    assert ran > 15


def test_the_dialect_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    name, factory = named_in("CODECS")
    written(factory.partition(":")[0], monkeypatch)
    monkeypatch.setitem(CODECS, name, factory)
    monkeypatch.setitem(test_codecs.SESSIONS, name, (b"\0\0", '{"type":"stop"}'))
    assert f'''"{name}": (b"\\0\\0", '{{"type":"stop"}}')''' in TEXT

    ran = [test(name, **values) for test, values in promises(test_codecs, "name")]
    assert len(ran) > 8


async def test_the_sink_keeps_the_contract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name, factory = named_in("SINKS")
    written(factory.partition(":")[0], monkeypatch)
    monkeypatch.setitem(SINKS, name, factory)
    place = http_place("vmix+{url}/api/#input=Captions", lambda request: parse_qs(request.query)["Value"][0])
    monkeypatch.setitem(PLACES, name, place)
    assert 'lambda request: parse_qs(request.query)["Value"][0])`' in TEXT

    ran = 0
    for number, (test, values) in enumerate(promises(test_sinks, "name", "tmp_path")):
        folder = tmp_path / str(number)
        folder.mkdir()
        running = test(name, tmp_path=folder, **values)
        assert isinstance(running, Awaitable)
        await running
        ran += 1
    assert ran >= 6


@pytest.mark.parametrize("folder", re.findall(r"^ *([\w/]+)/ ", TEXT.partition("## The tree")[2], re.MULTILINE))
def test_the_tree_names_folders_that_are_there(folder: str) -> None:
    assert any((ROOT / parent / folder).is_dir() for parent in ("", "decoder", "gateway"))


def test_the_tree_has_every_package() -> None:
    tree = TEXT.partition("## The tree")[2].partition("## ")[0]
    folders = [path.parent for path in Path(ROOT / "gateway").glob("*/__init__.py")]

    assert all(f"  {folder.name}/" in tree for folder in folders)
