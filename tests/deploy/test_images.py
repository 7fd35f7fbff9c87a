"""The Dockerfiles fit the gateway that they install."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

from decoder.engines.scripted import ScriptedEngine
from gateway.settings import ServerSettings, load_settings
from tests.deployment import ROOT, checked_by, instructions, read
from tests.servers import serving

IMAGES = ("Dockerfile", "Dockerfile.cuda")

TESTED_PYTHONS = {"3.11", *re.findall(r"newest:python(3\.\d+)", read("Makefile"))}


def values(dockerfile: str, name: str) -> list[str]:
    return [arguments for instruction, arguments in instructions(dockerfile) if instruction == name]


def environment(dockerfile: str) -> dict[str, str]:
    pairs = (pair.partition("=") for line in values(dockerfile, "ENV") for pair in line.split())
    return {name: value for name, _, value in pairs}


def healthcheck(dockerfile: str) -> list[str]:
    command = values(dockerfile, "HEALTHCHECK")[0].partition(" CMD ")[2]
    return [str(word) for word in json.loads(command)]


def test_the_python_of_the_image_is_one_that_is_tested() -> None:
    images = re.findall(r"^FROM python:(3\.\d+)-", read("Dockerfile"), re.MULTILINE)
    assert len(images) == 2
    assert len(set(images)) == 1, "an environment of one Python does not run in another"
    assert images[0] in TESTED_PYTHONS


def test_the_python_of_ubuntu_is_one_that_is_tested() -> None:
    assert "ubuntu24.04" in read("Dockerfile.cuda")
    assert "3.12" in TESTED_PYTHONS, "Ubuntu 24.04 has Python 3.12"


def test_the_project_admits_every_python_that_is_tested() -> None:
    requires = tomllib.loads(read("pyproject.toml"))["project"]["requires-python"]
    assert requires == ">=" + min(TESTED_PYTHONS)


def test_ctranslate2_finds_the_cuda_that_it_loads() -> None:
    found = re.search(r"^FROM nvidia/cuda:(\d+)\.\d+\.\d+-runtime-", read("Dockerfile.cuda"), re.MULTILINE)
    assert found is not None
    files = [file.locate() for file in distribution("ctranslate2").files or () if "libctranslate2" in file.name]
    if not files:
        pytest.skip("this platform's CTranslate2 has no CUDA")
    library = Path(files[0]).read_bytes()
    assert set(re.findall(rb"libcublas\.so\.(\d+)", library)) == {found[1].encode()}
    assert b"cudnn" not in library, "the image has no cuDNN for it"


def test_torch_is_installed_at_the_version_that_is_tested() -> None:
    assert "ARG EXTRAS=torch" in read("Dockerfile.cuda")
    assert re.search(r"^torch==", read("constraints.txt"), re.MULTILINE)


def test_both_images_run_the_gateway_in_the_same_way() -> None:
    cpu, cuda = ([line for line in instructions(name) if line[0] != "FROM"] for name in IMAGES)
    without_device = [(name, line.replace(" LIVECUE_ENGINE__DEVICE=cuda", "")) for name, line in cuda]
    assert without_device == cpu


@pytest.mark.parametrize("dockerfile", IMAGES)
def test_the_environment_of_an_image_is_accepted_by_the_settings(
    dockerfile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(dockerfile).items():
        if name.startswith("LIVECUE_"):
            monkeypatch.setenv(name, value)
    assert load_settings().server.host == "0.0.0.0"  # noqa: S104  # the image is reached from outside


@pytest.mark.parametrize("dockerfile", IMAGES)
def test_an_image_exposes_the_port_of_the_gateway(dockerfile: str) -> None:
    assert values(dockerfile, "EXPOSE") == [str(ServerSettings().port)]


@pytest.mark.parametrize("dockerfile", IMAGES)
def test_an_image_runs_as_a_numbered_user_that_owns_the_volumes(dockerfile: str) -> None:
    user = values(dockerfile, "USER")[0]
    uid, _, gid = user.partition(":")
    made = values(dockerfile, "RUN")[0]
    assert uid != "0"
    assert f"--uid {uid} " in made
    assert f"--gid {gid} livecue" in made
    volumes = json.loads(values(dockerfile, "VOLUME")[0])
    assert f"--owner livecue --group livecue --mode 0700 {' '.join(volumes)}" in made
    assert {environment(dockerfile)[name] for name in ("XDG_DATA_HOME", "HF_HOME")} == set(volumes)


@pytest.mark.parametrize("dockerfile", IMAGES)
def test_what_is_copied_is_sent_to_the_builder(dockerfile: str) -> None:
    sent = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    copied = set(re.findall(r"^COPY (?!--from|\.)(\S+)", read(dockerfile), re.MULTILINE))
    project = tomllib.loads(read("pyproject.toml"))
    built = {*project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], project["project"]["readme"]}
    assert copied | built | {"pyproject.toml", "LICENSE"} <= sent
    assert all((ROOT / name).exists() for name in sent)


@pytest.mark.parametrize("dockerfile", IMAGES)
async def test_the_health_check_succeeds_at_a_gateway_and_fails_without_one(dockerfile: str) -> None:
    import anyio  # the check runs beside the gateway's event loop

    _, option, code = healthcheck(dockerfile)

    async def check(port: str) -> int:
        command = [sys.executable, option, code.replace(f":{ServerSettings().port}/", f":{port}/")]
        return (await anyio.run_process(command, check=False, stderr=subprocess.DEVNULL)).returncode

    async with serving(ScriptedEngine()) as served:
        port = served.url.rpartition(":")[2]
        assert await check(port) == 0
    assert await check(port) != 0


@pytest.mark.parametrize("dockerfile", IMAGES)
def test_hadolint_finds_nothing(dockerfile: str) -> None:
    checked_by("hadolint", ROOT / dockerfile)
