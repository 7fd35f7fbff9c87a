"""The errors raised when the library or model of a detector is missing."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from vad import silero
from vad.detector import create_detector
from vad.errors import DetectorUnavailable


@pytest.fixture(autouse=True)
def _fresh_model() -> None:
    silero._shared_session.cache_clear()


def test_without_its_library_webrtc_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    with pytest.raises(DetectorUnavailable, match="webrtcvad-wheels"):
        create_detector("webrtc")


def test_without_onnxruntime_silero_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DetectorUnavailable, match="onnxruntime"):
        create_detector("silero")


def test_without_faster_whisper_silero_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silero, "find_spec", lambda _: None)
    with pytest.raises(DetectorUnavailable, match="faster-whisper"):
        create_detector("silero")


def test_with_another_faster_whisper_silero_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = ModuleSpec("faster_whisper", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(silero, "find_spec", lambda _: spec)
    with pytest.raises(DetectorUnavailable, match=r"silero_vad_v6\.onnx"):
        create_detector("hybrid")


def test_the_model_is_shared_by_all_streams() -> None:
    first, second = silero.SileroDetector(), silero.SileroDetector()
    assert first._session is second._session


def test_the_model_is_found_without_importing_its_package() -> None:
    source = Path(silero.__file__).read_text("utf-8")
    assert "import faster_whisper" not in source
