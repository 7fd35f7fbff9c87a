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
    "clients": ("gateway.wire", "gateway.captions.subtitles", "vad.media_file"),
}
"""Package → what it may import of the others; a name stands for everything below it."""

COMPOSITION_ROOTS = {"gateway/cli/main.py", "gateway/cli/running.py", "gateway/cli/doctor.py", "gateway/cli/transcribe.py"}
"""The command line puts gateway and clients together, so it alone may import both."""

PURE_MODULES = (
    "vad/audio.py",
    "vad/downmix.py",
    "vad/evidence.py",
    "vad/stereo.py",
    "vad/stream_origin.py",
    "vad/segmenter.py",
    "vad/audio_history.py",
    "vad/track_clock.py",
    "decoder/types.py",
    "decoder/features.py",
    "decoder/planner.py",
    "decoder/prompts.py",
    "decoder/stabiliser.py",
    "decoder/hallucination_filter.py",
    "decoder/languages.py",
    "decoder/audio_checks.py",
    "decoder/audio_levels.py",
    "decoder/hallucination_phrases.py",
    "decoder/speaking_time.py",
    "decoder/engines/moonshine/greedy_search.py",
    "decoder/engines/moonshine/onnx_writer.py",
    "decoder/engines/moonshine/tokenizer.py",
    "decoder/engines/moonshine/word_alignment.py",
    "decoder/engines/upstream/response_parsing.py",
    "decoder/engines/upstream/retry_policy.py",
    "decoder/engines/upstream/circuit_breaker.py",
    "decoder/engines/upstream/budget.py",
    "decoder/engines/upstream/word_timing.py",
    "gateway/wire/openai_realtime/append_only.py",
    "gateway/wire/bounds.py",
    "gateway/wire/event_size.py",
    "decoder/engines/whisper/language_detection.py",
    "gateway/session/partial_pacing.py",
    "gateway/session/checkpoint.py",
    "gateway/session/session_warnings.py",
    "gateway/captions/cue_division.py",
    "gateway/captions/cue_layout.py",
    "gateway/captions/cue_builder.py",
    "gateway/session/pause_statistics.py",
    "gateway/wire/server_events.py",
    "gateway/wire/client_events.py",
    "gateway/session/channel_pipelines.py",
    "gateway/wire/language_choice.py",
    "gateway/captions/line_breaking.py",
    "gateway/wire/misspellings.py",
    "gateway/captions/cue_profiles.py",
    "gateway/captions/captioner.py",
    "gateway/access/api_keys.py",
    "gateway/journal/event_json.py",
    "gateway/http/openai/response_formats.py",
    "gateway/session/retry_policy.py",
    "gateway/http/openai/request_form.py",
    "gateway/http/openapi.py",
    "gateway/captions/subtitles.py",
    "gateway/access/twilio_signature.py",
    "gateway/journal/ordered_delivery.py",
    "gateway/journal/transcript_export.py",
    "gateway/wire/words.py",
    "gateway/http/deepgram/response_format.py",
    "clients/missing_audio.py",
    "clients/event_dedup.py",
    "clients/replay_buffer.py",
    "gateway/wire/__init__.py",
    "gateway/wire/deepgram/codec.py",
    "gateway/wire/deepgram/flux_codec.py",
    "gateway/wire/deepgram/messages.py",
    "gateway/wire/deepgram/listen_params.py",
    "gateway/wire/deepgram/flux_params.py",
    "gateway/wire/native/codec.py",
    "gateway/wire/native/messages.py",
    "gateway/wire/openai_realtime/codec.py",
    "gateway/wire/openai_realtime/items.py",
    "gateway/wire/openai_realtime/messages.py",
    "gateway/wire/openai_realtime/validation_errors.py",
    "gateway/wire/openai_realtime/session_config.py",
    "gateway/wire/twilio/codec.py",
    "gateway/wire/twilio/messages.py",
    "gateway/wire/twilio/jitter_buffer.py",
    "gateway/wire/vosk/codec.py",
    "gateway/wire/wyoming/codec.py",
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
        "decoder/engines/moonshine/weights.py",
        "decoder/engines/moonshine/network.py",
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
            assert "gateway.cli.main" not in set(imports_of(path))
