"""All settings as people read them: a TOML file that `--config` reads, and a page of the documentation.

Both are made from the settings' classes: their names, defaults and docstrings.
"""

import inspect
import json
import math
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

from pydantic import SecretStr

from decoder.settings import UpstreamSettings
from gateway.settings import Settings

__all__ = ["settings_page", "to_toml"]

_COLUMNS = 118

_UNITS = {
    "s": "seconds",
    "ms": "milliseconds",
    "days": "days",
    "bytes": "bytes",
    "hz": "hertz",
    "dbfs": "dBFS",
    "db": "dB",
    "samples": "samples at 16 kHz",
}
"""Last part of a name → what its number counts."""

_ITEMS: Mapping[str, type] = {"engine.upstreams": UpstreamSettings}
"""Settings that are lists of tables → what one is."""

_PAGE_HEAD = """# Settings

Each can be set in a TOML file (`--config FILE`), in the environment (`LIVECUE_GROUP__KEY`) and on the command line
(`--set GROUP.KEY=VALUE`); the later of these wins. `livecue serve --print-config` prints all that hold, as a file for
`--config`. This page is made from the same source: `make settings`.
"""


def to_toml(settings: Settings) -> str:
    """Return a TOML file that `load_settings` reads as these settings; secrets are left out, each with a comment."""
    groups = (_tables(name, getattr(settings, name)) for name in type(settings).model_fields)
    return "\n".join(line for group in groups for line in group)


def settings_page() -> str:
    """Return the page of all settings and their defaults, in Markdown."""
    sections = [_PAGE_HEAD]
    for name, field in Settings.model_fields.items():
        sections += _sections(name, field.default)
    return "\n".join(sections)


def _tables(path: str, group: object) -> Iterator[str]:
    """Yield the lines of a group's table, then those of the tables within it."""
    meanings = _meanings(type(group))
    yield f"[{path}]"
    nested: list[str] = []
    for key, value in _items(group):
        inner = f"{path}.{key}"
        if is_dataclass(value):
            nested += _tables(inner, value)
            continue
        yield from _comment(key, meanings.get(key, ""))
        if inner in _ITEMS:
            assert isinstance(value, tuple)
            nested += [line for item in value for line in _item_table(inner, item)]
            yield f"# see the tables [[{inner}]]" if value else f"# none: [[{inner}]] begins one"
        else:
            yield _assignment(key, value)
    yield ""
    yield from nested


def _item_table(path: str, item: object) -> Iterator[str]:
    yield f"[[{path}]]"
    for key, value in _items(item):
        yield _assignment(key, value)
    yield ""


def _assignment(key: str, value: object) -> str:
    if value is None:
        return f"# {key} is not set"
    if isinstance(value, SecretStr) or (isinstance(value, tuple) and any(isinstance(v, SecretStr) for v in value)):
        return f"# {key} is set, and not shown"
    return f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return str(value)
        case int() | float():
            return repr(value)
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case str() | Path():
            # a JSON string is a TOML string, but for this character
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    raise AssertionError(f"{value!r}: settings have no such type")


def _comment(key: str, meaning: str) -> list[str]:
    unit = _unit(key)
    text = f"{meaning} [{unit}]" if unit else meaning
    return ["", *(f"# {line}" for line in textwrap.wrap(text, _COLUMNS - 2))]


def _sections(path: str, group: object) -> Iterator[str]:
    """Yield the heading and the table of a group, then those within it."""
    yield f"## {path}\n\n| key | default | meaning |\n|---|---|---|"
    yield from _rows(_meanings(type(group)), group)
    yield ""
    for key, value in _items(group):
        inner = f"{path}.{key}"
        if is_dataclass(value):
            yield from _sections(inner, value)
        elif inner in _ITEMS:
            yield f"## {inner}\n\nA list of tables, `[[{inner}]]`.\n\n| key | default | meaning |\n|---|---|---|"
            yield from _rows(_meanings(_ITEMS[inner]), _ITEMS[inner])
            yield ""


def _rows(meanings: Mapping[str, str], group: object) -> Iterator[str]:
    for field in fields(group):  # type: ignore[arg-type]  # a dataclass, or an instance of one
        value = getattr(group, field.name, field.default) if not isinstance(group, type) else field.default
        if is_dataclass(value):
            continue
        meaning = meanings.get(field.name, "").replace("|", "\\|")
        yield f"| `{field.name}` | {_default(field.name, value)} | {meaning} |"


def _default(key: str, value: object) -> str:
    if value is None:
        return "–"
    if not isinstance(value, bool | int | float | str | tuple | Path):
        return "required"
    unit = _unit(key)
    return f"`{_toml(value)}`" + (f" {unit}" if unit else "")


def _items(group: object) -> Iterator[tuple[str, object]]:
    for field in fields(group):  # type: ignore[arg-type]  # a dataclass
        yield field.name, getattr(group, field.name)


def _meanings(group: type) -> dict[str, str]:
    """Return what a class says of its attributes: name → text in one line."""
    lines = (inspect.getdoc(group) or "").partition("Attributes:\n")[2].splitlines()
    meanings: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        if line and not line.startswith("    "):
            break  # another section
        if (begin := re.match(r"    (\w+(?:, \w+)*): (.*)", line)) is not None:
            names = begin[1].split(", ")
            meanings |= dict.fromkeys(names, begin[2])
        else:
            meanings |= {name: f"{meanings[name]} {line.strip()}".strip() for name in names}
    return meanings


def _unit(key: str) -> str | None:
    return _UNITS.get(key.rpartition("_")[2]) if "_" in key else None
