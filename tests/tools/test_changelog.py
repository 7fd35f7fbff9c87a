"""Changelog fragments become the newest section of CHANGELOG.md."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TYPES = tuple(
    entry["directory"] for entry in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]["type"]
)


def test_every_fragment_names_its_kind_of_change() -> None:
    fragments = [
        path for path in (ROOT / "changelog.d").iterdir() if path.name not in {"README.md", "template.md.jinja"}
    ]

    assert all(path.name.endswith(tuple(f".{kind}.md" for kind in TYPES)) for path in fragments), fragments
    assert all(path.read_text(encoding="utf-8").strip() for path in fragments)


def test_a_release_has_its_fragments_by_kind_before_the_older_ones(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "CHANGELOG.md", "changelog.d/template.md.jinja", "changelog.d/README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    older = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for kind in reversed(TYPES):
        (tmp_path / "changelog.d" / f"thing.{kind}.md").write_text(f"Something {kind},\nin two lines.\n")

    command = [sys.executable, "-m", "towncrier", "build", "--yes", "--version", "9.0", "--date", "2030-01-02"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)  # noqa: S603  # our own command

    changelog = (tmp_path / "CHANGELOG.md").read_text(encoding="utf-8")
    begin, marker, rest = older.partition("<!-- releases -->\n")
    section = changelog.removeprefix(begin + marker).removesuffix(rest)
    written = "".join(f"### {kind.title()}\n\n- Something {kind},\n  in two lines.\n\n" for kind in TYPES)
    assert section.strip() == f"## 9.0 (2030-01-02)\n\n{written}".strip()
    assert not list((tmp_path / "changelog.d").glob("thing.*"))
