"""Where Whisper models are found, and the errors if they are not."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from faster_whisper import available_models

from decoder.model_hub import HUB_NAMES, resolve_model
from decoder.types import ModelError
from tests.http_server import serving_http

FILES = {
    "config.json": b"{}",
    "model.bin": b"weights",
    "tokenizer.json": b'{"model": {}}',
    "vocabulary.json": b"[]",
    "pytorch_model.bin": b"the same weights, twice as large",
}
SAFETENSORS = {
    "config.json": b"{}",
    "generation_config.json": b"{}",
    "model.fp32-00001-of-00002.safetensors": b"the same weights, twice as large",
    "model.safetensors": b"weights of another format",
    "preprocessor_config.json": b"{}",
    "pytorch_model.bin": b"the same weights as pickles",
    "tokenizer.json": b'{"model": {}}',
    "vocab.json": b"{}",
}
SHARDED = {name: content for name, content in SAFETENSORS.items() if name != "model.safetensors"} | {
    "model-00001-of-00002.safetensors": b"half of the weights",
    "model-00002-of-00002.safetensors": b"the other half",
    "model.safetensors.index.json": b"{}",
}
COMMIT = sha1(b"commit").hexdigest()  # noqa: S324 - it only has to look like git's
REPOSITORY = "someone/some-whisper"
REPOSITORIES = {
    REPOSITORY: FILES,
    "someone/safetensors": SAFETENSORS,
    "someone/sharded": SHARDED,
    "someone/both": SAFETENSORS | FILES,
    "someone/neither": {"README.md": b"soon"},
}


def write_model(directory: Path, *, without: str | None = None) -> Path:
    """Write the files of a model, optionally without one, and return their directory."""
    directory.mkdir(parents=True)
    for name, content in FILES.items():
        if name != without:
            (directory / name).write_bytes(content)
    return directory


def write_cached(home: Path, repository: str, *, without: str | None = None) -> Path:
    """Write a model in the layout of the hub's cache, and return its snapshot."""
    folder = home / "hub" / f"models--{repository.replace('/', '--')}"
    snapshot = write_model(folder / "snapshots" / COMMIT, without=without)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    return snapshot


def resolve_apart(
    home: Path,
    name: str,
    *,
    endpoint: str = "http://127.0.0.1:9",
    offline: bool = False,
    formats: str = "CTRANSLATE2",
) -> str:
    """Resolve the model in a new process, because the hub's library reads its environment once.

    Args:
        home: folder of the cache.
        name: of the model.
        endpoint: of the hub.
        offline: as in `resolve_model`.
        formats: names of those in `decoder.model_hub`, the preferred one first.

    Returns:
        The directory, or the message of the `ModelError` after `error: `, after all that went to stderr.
    """
    code = (
        "import sys; from decoder import model_hub; from decoder.types import ModelError\n"
        "formats = [getattr(model_hub, name) for name in sys.argv[3:]]\n"
        "try: print(model_hub.resolve_model(sys.argv[1], offline=sys.argv[2] == 'offline', formats=formats))\n"
        "except ModelError as error: print('error:', error)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1"}
    finished = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code, name, "offline" if offline else "online", *formats.split()],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=40,
    )
    return finished.stderr + finished.stdout.strip()


class Hub(BaseHTTPRequestHandler):
    """A model hub with the few responses that a download needs."""

    def do_GET(self) -> None:
        """Answer a listing or a file."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer with the metadata of a file."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the test's output quiet."""

    def _answer(self) -> None:
        path = self.path.split("?")[0]
        name = path.rsplit("/", 1)[-1]
        parts = path.removeprefix("/api/models").split("/")
        repository = "/".join(parts[1:3])
        files = REPOSITORIES.get(repository, {})
        if "/no-such-revision" in path:
            self._send(b"{}", status=404, headers={"X-Error-Code": "RevisionNotFound"})
        elif path.startswith(f"/api/models/{repository}/revision/") and files:
            siblings = [{"rfilename": file} for file in files]
            self._send(json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode())
        elif path.startswith(f"/api/models/{repository}/tree/") and files:
            tree = [
                {"type": "file", "path": file, "size": len(content), "oid": sha1(content).hexdigest()}  # noqa: S324
                for file, content in files.items()
            ]
            self._send(json.dumps(tree).encode())
        elif path.startswith(f"/{repository}/resolve/") and name in files:
            self._send(files[name])
        else:
            self._send(b"{}", status=404, headers={"X-Error-Code": "RepoNotFound"})

    def _send(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        described = {"Content-Length": str(len(body)), "X-Repo-Commit": COMMIT, "ETag": f'"{sha256(body).hexdigest()}"'}
        for name, value in {**described, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def hub() -> Iterator[str]:
    with serving_http(Hub) as address:
        yield address


def test_directory_is_taken_as_it_is(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")

    assert resolve_model(str(model), offline=True) == model


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
def test_directory_with_missing_files_names_them(tmp_path: Path, missing: str) -> None:
    model = write_model(tmp_path / "model", without=missing)

    with pytest.raises(ModelError, match=missing.split(".")[0]):
        resolve_model(str(model), offline=True)


@pytest.mark.parametrize("name", ["huge", "./nowhere", "/nowhere/at/all", "a/b/c", ""])
def test_unknown_name_is_refused_with_the_expected_names(name: str) -> None:
    with pytest.raises(ModelError, match=r"expected tiny\.en, tiny, .* or a directory"):
        resolve_model(name, offline=True)


def test_every_name_of_faster_whisper_is_known() -> None:
    assert set(available_models()) == set(HUB_NAMES)


def test_cached_model_is_found_without_asking_the_hub(tmp_path: Path) -> None:
    snapshot = write_cached(tmp_path, HUB_NAMES["small"])

    assert resolve_apart(tmp_path, "small") == str(snapshot)
    assert resolve_apart(tmp_path, HUB_NAMES["small"], offline=True) == str(snapshot)


def test_half_a_cached_model_counts_as_none(tmp_path: Path) -> None:
    write_cached(tmp_path, HUB_NAMES["small"], without="model.bin")

    printed = resolve_apart(tmp_path, "small", offline=True)

    assert "error: model small is not in the local cache and offline is set: run `livecue pull small`" in printed


def test_unreachable_hub_is_reported_at_once_with_the_command_to_run(tmp_path: Path) -> None:
    started_s = time.monotonic()

    printed = resolve_apart(tmp_path, REPOSITORY)

    assert f"run `livecue pull {REPOSITORY}`" in printed
    assert time.monotonic() - started_s < 20  # most of it is the start of Python on a busy machine


def test_missing_model_is_downloaded_once_without_unused_files(tmp_path: Path, hub: str) -> None:
    first = resolve_apart(tmp_path, REPOSITORY, endpoint=hub)
    again = resolve_apart(tmp_path, REPOSITORY)

    assert first == again  # the path alone: no progress bar without a terminal
    assert sorted(file.name for file in Path(first).iterdir()) == sorted(set(FILES) - {"pytorch_model.bin"})
    assert (Path(first) / "model.bin").read_bytes() == FILES["model.bin"]


def test_a_revision_of_a_model_is_taken_once_it_is_there(tmp_path: Path, hub: str) -> None:
    first = resolve_apart(tmp_path, f"{REPOSITORY}@{COMMIT}", endpoint=hub)

    assert Path(first).name == COMMIT
    assert resolve_apart(tmp_path, f"{REPOSITORY}@{COMMIT}") == first
    assert "not in the local cache" in resolve_apart(tmp_path, f"{REPOSITORY}@{COMMIT[::-1]}", offline=True)


def test_a_revision_the_hub_does_not_have_is_named(tmp_path: Path, hub: str) -> None:
    printed = resolve_apart(tmp_path, f"{REPOSITORY}@no-such-revision", endpoint=hub)

    assert f"error: model {REPOSITORY}@no-such-revision: {REPOSITORY} has no revision no-such-revision" in printed


@pytest.mark.parametrize("name", ["small@", "small@../../etc", "owner/name@a b"])
def test_a_malformed_revision_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="expected a commit, tag or branch"):
        resolve_model(name, offline=True)


def test_model_the_hub_does_not_have_is_named(tmp_path: Path, hub: str) -> None:
    printed = resolve_apart(tmp_path, "someone/else", endpoint=hub)

    assert "error: model someone/else: the hub has no public repository someone/else" in printed


WANTED = {
    "CTRANSLATE2": set(FILES) - {"pytorch_model.bin"},
    "HUGGING_FACE": {"config.json", "generation_config.json", "model.safetensors", "preprocessor_config.json"}
    | {"tokenizer.json"},
}
"""Format → the files of `someone/both` that are downloaded; what else it needs of no format is small."""


@pytest.mark.parametrize(
    ("formats", "chosen"),
    [
        ("CTRANSLATE2", "CTRANSLATE2"),
        ("CTRANSLATE2 HUGGING_FACE OPENAI", "CTRANSLATE2"),
        ("HUGGING_FACE CTRANSLATE2 OPENAI", "HUGGING_FACE"),
        ("OPENAI HUGGING_FACE CTRANSLATE2", "HUGGING_FACE"),
    ],
)
def test_a_model_of_several_formats_is_downloaded_in_the_preferred_one(
    tmp_path: Path, hub: str, formats: str, chosen: str
) -> None:
    found = resolve_apart(tmp_path, "someone/both", endpoint=hub, formats=formats)

    files = {file.name for file in Path(found).iterdir()}
    assert files - {"preprocessor_config.json"} == WANTED[chosen] - {"preprocessor_config.json"}
    assert resolve_apart(tmp_path, "someone/both", offline=True, formats=formats) == found


def test_a_model_of_hugging_face_is_downloaded_with_the_files_that_it_loads_from(tmp_path: Path, hub: str) -> None:
    found = resolve_apart(tmp_path, "someone/safetensors", endpoint=hub, formats="CTRANSLATE2 HUGGING_FACE OPENAI")
    again = resolve_apart(tmp_path, "someone/safetensors", offline=True, formats="HUGGING_FACE")

    assert again == found
    assert {file.name for file in Path(found).iterdir()} == WANTED["HUGGING_FACE"]


def test_all_shards_of_a_model_are_downloaded(tmp_path: Path, hub: str) -> None:
    found = resolve_apart(tmp_path, "someone/sharded", endpoint=hub, formats="HUGGING_FACE")

    files = {file.name for file in Path(found).iterdir()}
    assert files == (WANTED["HUGGING_FACE"] - {"model.safetensors"}) | {
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    }


def test_a_model_in_a_format_that_the_engine_does_not_read_is_refused(tmp_path: Path, hub: str) -> None:
    printed = resolve_apart(tmp_path, "someone/safetensors", endpoint=hub)

    assert "error: repository someone/safetensors lacks model.bin, vocabulary.*" in printed


def test_a_repository_without_a_model_is_refused(tmp_path: Path, hub: str) -> None:
    printed = resolve_apart(tmp_path, "someone/neither", endpoint=hub, formats="CTRANSLATE2 HUGGING_FACE OPENAI")

    assert "error: repository someone/neither lacks *.pt, tokenizer.json: not a OpenAI Whisper model" in printed
