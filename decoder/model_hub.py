"""Finds Whisper models: in a local directory, an installed package, the hub's cache, or on the hub."""

import fnmatch
import re
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from decoder.packaged_models import EMBEDDED, MOONSHINE, PACKAGED, moonshine_cache, packaged_model
from decoder.types import ModelError

__all__ = [
    "ALL_FORMATS",
    "CTRANSLATE2",
    "HUB_NAMES",
    "HUGGING_FACE",
    "OPENAI",
    "ModelFormat",
    "is_cached",
    "pull_model",
    "resolve_model",
]

HUB_NAMES: Final = {
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "tiny": "Systran/faster-whisper-tiny",
    "base.en": "Systran/faster-whisper-base.en",
    "base": "Systran/faster-whisper-base",
    "small.en": "Systran/faster-whisper-small.en",
    "small": "Systran/faster-whisper-small",
    "medium.en": "Systran/faster-whisper-medium.en",
    "medium": "Systran/faster-whisper-medium",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large": "Systran/faster-whisper-large-v3",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""Short name → repository on the hub, as in faster-whisper."""


@dataclass(frozen=True, slots=True)
class ModelFormat:
    """A format that the files of a model come in.

    Attributes:
        name: for messages.
        required: patterns of files without which the model does not load.
        optional: patterns of files that are downloaded, too.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ("preprocessor_config.json",)

    def missing(self, files: Collection[str]) -> list[str]:
        """Return the patterns of required files that are not among the files of a directory."""
        return [pattern for pattern in self.required if not fnmatch.filter(files, pattern)]


CTRANSLATE2: Final = ModelFormat("CTranslate2", ("model.bin", "config.json", "tokenizer.json", "vocabulary.*"))
"""Without its tokenizer CTranslate2 would silently fetch one from the hub."""

HUGGING_FACE: Final = ModelFormat(
    "Hugging Face",
    ("model*.safetensors", "config.json", "tokenizer.json"),
    ("model.safetensors.index.json", "generation_config.json", "preprocessor_config.json"),
)

OPENAI: Final = ModelFormat("OpenAI", ("*.pt", "tokenizer.json"))

ALL_FORMATS: Final = (CTRANSLATE2, HUGGING_FACE, OPENAI)

_UNWANTED: Final = ["model.fp32*"]
"""The repositories of the large models have their weights a second time in twice the size."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

_REVISION = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*")


def resolve_model(name_or_dir: str, *, offline: bool, formats: Sequence[ModelFormat] = (CTRANSLATE2,)) -> Path:
    """Return the directory of a model, downloading it unless it is local or cached.

    Args:
        name_or_dir: a short name (`small`, `large-v3-turbo` …) or the hub's `owner/name`, either with `@REVISION` (a
            commit, tag or branch on the hub) to pin a version; or a local directory.
        offline: never access the hub.
        formats: that the engine reads, the preferred one first.

    Raises:
        ModelError: there is no such model, its files are missing or not those expected, or the hub cannot be reached.
    """
    directory = Path(name_or_dir).expanduser()
    if name_or_dir and name_or_dir not in HUB_NAMES and directory.is_dir():
        _check_files(f"model directory {directory}", directory, formats)
        return directory
    found = packaged_model(name_or_dir) if name_or_dir == EMBEDDED else None
    found = found or is_cached(name_or_dir, formats)
    if found is not None:
        return found
    if offline:
        raise ModelError(f"model {name_or_dir} is not in the local cache and offline is set: {_advice(name_or_dir)}")
    return pull_model(name_or_dir, formats)


def is_cached(name: str, formats: Sequence[ModelFormat] = (CTRANSLATE2,)) -> Path | None:
    """Return the directory of a hub model in the local cache; None if it is not cached completely.

    Raises:
        ModelError: the name is neither a short name nor `owner/name`, or its revision is malformed.
    """
    # Imported on use: the import is slow, and reads HF_HOME, HF_HUB_OFFLINE … at that moment.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    hub_id, revision = _hub_id(name)
    for each in formats:  # one by one: files of a format that was not downloaded count as missing
        wanted = _patterns([each])
        with suppress(LocalEntryNotFoundError):
            found = Path(
                snapshot_download(
                    hub_id,
                    revision=revision,
                    local_files_only=True,
                    allow_patterns=wanted,
                    ignore_patterns=_UNWANTED,
                )
            )
            if not each.missing(_files_of(found)):
                return found
    return None


def pull_model(name: str, formats: Sequence[ModelFormat] = ALL_FORMATS) -> Path:
    """Download the missing files of a model and return its directory; on a terminal, display a progress bar.

    Args:
        name: a name on the hub, or `moonshine-tiny-en`, which its makers serve themselves.
        formats: that may be downloaded, the preferred one first. A repository may have the same weights in several,
            each of gigabytes; it is downloaded in one.

    Raises:
        ModelError: no such model, no access to it, or the hub cannot be reached.
    """
    if name == MOONSHINE:
        from decoder.engines.moonshine.download import download

        return download(PACKAGED[MOONSHINE].files, moonshine_cache())
    hub_id, revision = _hub_id(name)
    directory = _download(name, hub_id, revision, formats)
    _check_files(f"repository {hub_id}", directory, formats)
    return directory


def _download(name: str, hub_id: str, revision: str | None, formats: Sequence[ModelFormat]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():  # the bar would end up in the log file
        disable_progress_bars()
    try:
        wanted = _patterns(_offered(hub_id, revision, formats))
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=wanted, ignore_patterns=_UNWANTED))
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"model {name} is not in the local cache and could not be downloaded: {_advice(name)}"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"model {name}: {hub_id} has no revision {revision} on the hub") from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"model {name}: the hub has no public repository {hub_id}; {_expected()}") from error
    except HfHubHTTPError as error:
        raise ModelError(f"model {name}: the hub refused {hub_id}: {error}") from error
    except OSError as error:
        raise ModelError(f"model {name} cannot be downloaded: {error}; {_advice(name)}") from error


def _offered(hub_id: str, revision: str | None, formats: Sequence[ModelFormat]) -> Sequence[ModelFormat]:
    """Return the first of the formats that a repository has all files of; all of them if it has none, or is not known.

    Raises:
        HfHubHTTPError: the hub refuses to list the files.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import DryRunError

    try:
        listed = snapshot_download(hub_id, revision=revision, allow_patterns=_patterns(formats), dry_run=True)
    except DryRunError:  # the download itself says why
        return formats
    offered = _complete([file.filename for file in listed], formats)
    return formats if offered is None else (offered,)


def _hub_id(name: str) -> tuple[str, str | None]:
    """Return the repository of a name, and its revision if there is one."""
    plain, at, revision = name.partition("@")
    hub_id = HUB_NAMES.get(plain, plain)
    if not _HUB_ID.fullmatch(hub_id):
        raise ModelError(f"model {name!r} is neither a known name nor a directory; {_expected()}")
    if at and not _REVISION.fullmatch(revision):
        raise ModelError(f"model {name!r}: revision {revision!r}: expected a commit, tag or branch on the hub")
    return hub_id, revision or None


def _patterns(formats: Sequence[ModelFormat]) -> list[str]:
    return list(dict.fromkeys(pattern for each in formats for pattern in (*each.required, *each.optional)))


def _files_of(directory: Path) -> list[str]:
    return [file.name for file in directory.glob("*")]  # of a directory that does not exist: none


def _complete(files: Collection[str], formats: Sequence[ModelFormat]) -> ModelFormat | None:
    """Return the first of the formats all of whose files are there."""
    return next((each for each in formats if not each.missing(files)), None)


def _check_files(what: str, directory: Path, formats: Sequence[ModelFormat]) -> None:
    """Raise `ModelError` unless the directory has all files of one of the formats."""
    files = _files_of(directory)
    if _complete(files, formats) is not None:
        return
    other = _complete(files, ALL_FORMATS)
    if other is not None:
        allowed = ", ".join(each.name for each in formats)
        raise ModelError(f"{what} has a model in the format of {other.name}: expected {allowed}; engine torch reads it")
    nearest = min(formats, key=lambda each: len(each.missing(files)))
    raise ModelError(f"{what} lacks {', '.join(nearest.missing(files))}: not a {nearest.name} Whisper model")


def _advice(name: str) -> str:
    return f"run `livecue pull {name}` with access to the hub, or set the directory of a model"


def _expected() -> str:
    return f"expected {', '.join(HUB_NAMES)}, an owner/name on the hub (each also with @REVISION), or a directory"
