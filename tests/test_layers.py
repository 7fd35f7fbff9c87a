"""The architecture, as far as imports and sizes show it: who imports whom, what is pure, how large a thing may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PACKAGES = ("vad", "decoder", "gateway", "clients")

ALLOWED_IMPORTS = {
    "vad": (),
    "decoder": ("vad.audio", "vad.errors"),
    "gateway": ("vad", "decoder"),
    "clients": ("gateway.wire", "gateway.subtitles", "vad.media"),
}
"""Package → what it may import of the others; a name stands for everything below it."""

COMPOSITION_ROOTS = {"gateway/cli.py", "gateway/cli_running.py", "gateway/doctor.py", "gateway/transcribe_cli.py"}
"""The command line puts gateway and clients together, so it alone may import both."""

PURE_MODULES = (
    "vad/audio.py",
    "vad/downmix.py",
    "vad/evidence.py",
    "vad/stereo.py",
    "vad/origin.py",
    "vad/segmenter.py",
    "vad/tape.py",
    "vad/track_clock.py",
    "decoder/types.py",
    "decoder/features.py",
    "decoder/planner.py",
    "decoder/prompts.py",
    "decoder/stabiliser.py",
    "decoder/guard.py",
    "decoder/languages.py",
    "decoder/_audio_checks.py",
    "decoder/_levels.py",
    "decoder/_silence_phrases.py",
    "decoder/_speaking_time.py",
    "decoder/engines/_moonshine_decoding.py",
    "decoder/engines/_moonshine_onnx.py",
    "decoder/engines/_moonshine_tokenizer.py",
    "decoder/engines/_moonshine_words.py",
    "decoder/engines/_upstream_answers.py",
    "decoder/engines/_upstream_failures.py",
    "decoder/engines/_upstream_health.py",
    "decoder/engines/_upstream_spending.py",
    "decoder/engines/_upstream_words.py",
    "gateway/append_only.py",
    "gateway/bounds.py",
    "gateway/event_sizes.py",
    "decoder/engines/_whisper_languages.py",
    "gateway/cadence.py",
    "gateway/checkpoint.py",
    "gateway/conditions.py",
    "gateway/cue_division.py",
    "gateway/cue_layout.py",
    "gateway/cues.py",
    "gateway/eagerness.py",
    "gateway/events.py",
    "gateway/wishes.py",
    "gateway/channels.py",
    "gateway/languages.py",
    "gateway/linebreak.py",
    "gateway/near_names.py",
    "gateway/profiles.py",
    "gateway/captioner.py",
    "gateway/keys.py",
    "gateway/lasting.py",
    "gateway/rest/answers.py",
    "gateway/retries.py",
    "gateway/rest/fields.py",
    "gateway/rest/openapi.py",
    "gateway/subtitles.py",
    "gateway/telephony.py",
    "gateway/telling.py",
    "gateway/transcripts.py",
    "gateway/words.py",
    "gateway/routes/deepgram_answers.py",
    "clients/gaps.py",
    "clients/seen.py",
    "clients/unacknowledged.py",
    "gateway/wire/__init__.py",
    "gateway/wire/deepgram.py",
    "gateway/wire/deepgram_flux.py",
    "gateway/wire/deepgram_messages.py",
    "gateway/wire/deepgram_query.py",
    "gateway/wire/deepgram_turns.py",
    "gateway/wire/native.py",
    "gateway/wire/native_messages.py",
    "gateway/wire/openai_realtime.py",
    "gateway/wire/openai_realtime_items.py",
    "gateway/wire/openai_realtime_messages.py",
    "gateway/wire/openai_realtime_refusals.py",
    "gateway/wire/openai_realtime_wishes.py",
    "gateway/wire/twilio.py",
    "gateway/wire/twilio_messages.py",
    "gateway/wire/twilio_timeline.py",
    "gateway/wire/vosk.py",
    "gateway/wire/wyoming.py",
)

IMPURE_LIBRARIES = {
    "anyio",
    "asyncio",
    "concurrent",
    "fastapi",
    "httpx",
    "httpx2",
    "logging",
    "os",
    "random",
    "requests",
    "socket",
    "starlette",
    "subprocess",
    "threading",
    "time",
    "torch",
    "websockets",
}

HEAVY_LIBRARIES = {
    "ctranslate2",
    "faster_whisper",
    "httpx",
    "httpx2",
    "requests",
    "tokenizers",
    "torch",
}
"""Only engines may import these."""

ADAPTERS = {
    "onnxruntime": (
        "vad/silero.py",
        "decoder/engines/_moonshine_weights.py",
        "decoder/engines/_moonshine_network.py",
    ),
    "webrtcvad": ("vad/webrtc.py",),
    "soxr": ("vad/resample.py",),
}
"""Library → the files that may import it."""

SIBLINGS = ("decoder/engines", "gateway/wire")

MAX_MODULE_LINES = 400
MAX_CLASS_LINES = 250
MAX_FUNCTION_LINES = 50


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it; `from a.b import c` gives `a.b.c` where that is a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: imports are absolute"
            assert node.module is not None
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name for name in submodules if is_module(name)]
            yield from found or [node.module]


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def is_within(name: str, parent: str) -> bool:
    return name == parent or name.startswith(parent + ".")


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_packages_import_only_what_lies_before_them_on_the_path_of_the_data(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0]
    if name_of(path) in COMPOSITION_ROOTS:
        return
    for name in imports_of(path):
        package = name.partition(".")[0]
        if package in PACKAGES and package != own:
            assert any(is_within(name, allowed) for allowed in ALLOWED_IMPORTS[own]), f"{own} may not import {name}"


@pytest.mark.parametrize("name", PURE_MODULES)
def test_pure_modules_have_no_clock_no_io_and_no_logging(name: str) -> None:
    roots = {imported.partition(".")[0] for imported in imports_of(ROOT / name)}
    assert not roots & IMPURE_LIBRARIES


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_heavy_libraries_stay_in_their_adapters(path: Path) -> None:
    name = name_of(path)
    for imported in imports_of(path):
        library = imported.partition(".")[0]
        if library in HEAVY_LIBRARIES:
            assert name.startswith("decoder/engines/"), f"{library} belongs in an engine"
        assert name in ADAPTERS.get(library, (name,)), f"{library} belongs in {ADAPTERS.get(library)}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_siblings_of_a_seam_do_not_import_each_other(path: Path) -> None:
    """A second file of one sibling shares its name: `_whisper_words` belongs to `whisper`."""
    folder = path.relative_to(ROOT).parent.as_posix()
    if folder not in SIBLINGS or path.stem == "__init__":
        return
    family = path.stem.lstrip("_").partition("_")[0]
    for name in imports_of(path):
        parent, _, sibling = name.rpartition(".")
        if parent == folder.replace("/", "."):
            assert sibling.lstrip("_").partition("_")[0] == family, f"{path.stem} imports its sibling {sibling}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_modules_classes_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") < MAX_MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            limit = MAX_CLASS_LINES if isinstance(node, ast.ClassDef) else MAX_FUNCTION_LINES
            assert lines < limit, f"{node.name} has {lines} lines"


def test_nobody_imports_the_command_line() -> None:
    for path in modules():
        if name_of(path) != "gateway/__main__.py":
            assert "gateway.cli" not in set(imports_of(path))
