"""The architecture, as far as imports and sizes show it: allowed imports, purity, and limits of size."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PACKAGES = ("vad", "decoder", "gateway", "clients")

ALLOWED_IMPORTS = {
    "vad": (),
    "decoder": ("vad.audio", "vad.errors"),
    "gateway": ("vad", "decoder"),
    "clients": (
        "gateway.wire",
        "gateway.captions.subtitles",
        "gateway.exports",
        "vad.errors",
        "vad.media_file",
        "vad.pcm_converter",
        "vad.resample",
        "vad.track_clock",
    ),
}
"""Package → what it may import of the others; a name stands for everything below it."""

COMPOSITION_ROOT = "gateway/cli/"
"""The command line puts gateway and clients together, so it alone may import both."""

GATEWAY_FLOORS = (
    "text",
    "wire",
    "errors",
    "limit_settings",
    "access_settings",
    "journal_settings",
    "sink_settings",
    "settings",
    "settings_reference",
    "sqlite",
    "cancellation",
    "transport",
    "captions",
    "exports",
    "checks",
    "journal",
    "load",
    "access",
    "delivery",
    "media",
    "sinks",
    "label_limit",
    "metrics",
    "request_context",
    "tracing",
    "session",
    "otel",
    "runtime",
    "in_process",
    "shutdown",
    "http",
    "wyoming_server",
    "serve",
    "cli",
)
"""The packages and modules of `gateway`, lowest first: each imports only what stands before it."""

PURE = re.compile(r"\bPURE\b")
"""A module whose docstring has this word has no clock, no I/O, no logging and no randomness."""

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
    "ray",
    "requests",
    "tokenizers",
    "torch",
}
"""Only engines may import these, and what they share."""

SHARED_BY_ENGINES = ("decoder/whisper/vocabulary.py",)

HTTP_CLIENTS = {"httpx2": ("gateway/access/jwks_client.py", "gateway/sinks/http_client.py")}
"""Library → the adapters of the gateway's own that may import it, beside the engines."""

ADAPTERS = {
    "onnxruntime": (
        "vad/silero.py",
        "decoder/engines/moonshine/weights.py",
        "decoder/engines/moonshine/network.py",
    ),
    "ray": ("decoder/engines/ray_serve/cluster.py",),
    "redis": (
        "gateway/journal/redis_caption_events.py",
        "gateway/journal/redis_client.py",
        "gateway/journal/redis_store.py",
        "gateway/journal/redis_texts.py",
        "gateway/journal/redis_tokens.py",
    ),
    "webrtcvad": ("vad/webrtc.py",),
    "jwt": ("gateway/access/token_verifier.py",),
    "simpleobsws": ("gateway/sinks/obs.py",),
    "soxr": ("vad/resample.py",),
    "opentelemetry": ("gateway/otel.py",),
}
"""Library → the files that may import it."""

SIBLINGS = ("decoder/engines", "gateway/wire")

MAX_MODULE_LINES = 400
MAX_CLASS_LINES = 200
MAX_FUNCTION_LINES = 40


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


def pure_modules() -> list[Path]:
    return [path for path in modules() if PURE.search(ast.get_docstring(ast.parse(path.read_text())) or "")]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_packages_import_only_what_lies_before_them_on_the_path_of_the_data(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0]
    if name_of(path).startswith(COMPOSITION_ROOT):
        return
    for name in imports_of(path):
        package = name.partition(".")[0]
        if package in PACKAGES and package != own:
            assert any(is_within(name, allowed) for allowed in ALLOWED_IMPORTS[own]), f"{own} may not import {name}"


def gateway_modules() -> list[Path]:
    return [path for path in modules() if name_of(path).startswith("gateway/") and not path.stem.startswith("__")]


@pytest.mark.parametrize("path", gateway_modules(), ids=name_of)
def test_packages_of_the_gateway_import_only_those_below_them(path: Path) -> None:
    floor = GATEWAY_FLOORS.index(path.relative_to(ROOT / "gateway").parts[0].removesuffix(".py"))
    for name in imports_of(path):
        package, _, rest = name.partition(".")
        if package == "gateway":
            imported = rest.partition(".")[0]
            assert GATEWAY_FLOORS.index(imported) <= floor, f"{name} is above"


def test_there_are_pure_modules_in_every_package() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in pure_modules()} == set(PACKAGES)


@pytest.mark.parametrize("path", pure_modules(), ids=name_of)
def test_pure_modules_have_no_clock_no_io_and_no_logging(path: Path) -> None:
    roots = {imported.partition(".")[0] for imported in imports_of(path)}
    assert not roots & IMPURE_LIBRARIES


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_heavy_libraries_stay_in_their_adapters(path: Path) -> None:
    name = name_of(path)
    for imported in imports_of(path):
        library = imported.partition(".")[0]
        if library in HEAVY_LIBRARIES and name not in HTTP_CLIENTS.get(library, ()):
            assert name.startswith("decoder/engines/") or name in SHARED_BY_ENGINES, f"{library} belongs in an engine"
        assert name in ADAPTERS.get(library, (name,)), f"{library} belongs in {ADAPTERS.get(library)}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_siblings_of_a_seam_do_not_import_each_other(path: Path) -> None:
    """An engine, or a dialect, is a package of its own; plain modules beside them are shared."""
    own = sibling_of(path.relative_to(ROOT).with_suffix("").parts)
    if own is not None:
        assert {sibling_of(tuple(name.split("."))) for name in imports_of(path)} <= {own, None}


def sibling_of(parts: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the package of one engine or dialect that a module belongs to; None: it belongs to none."""
    for seam in SIBLINGS:
        depth = len(Path(seam).parts) + 1
        if parts[: depth - 1] == Path(seam).parts and ROOT.joinpath(*parts[:depth]).is_dir() and len(parts) >= depth:
            return parts[:depth]
    return None


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_modules_classes_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            if not isinstance(node, ast.ClassDef) and name_of(path).startswith(COMPOSITION_ROOT):
                lines = node.end_lineno - node.body[0].lineno + 1  # the signature of a command lists all of its options
            limit = MAX_CLASS_LINES if isinstance(node, ast.ClassDef) else MAX_FUNCTION_LINES
            assert lines <= limit, f"{node.name} has {lines} lines"


def test_no_module_imports_the_command_line() -> None:
    for path in modules():
        if name_of(path) != "gateway/__main__.py" and not name_of(path).startswith(COMPOSITION_ROOT):
            assert "gateway.cli.main" not in set(imports_of(path))
