"""Finds Whisper models: in a local directory, an installed package, the hub's cache, or on the hub."""

import re
import sys
from pathlib import Path
from typing import Final

from decoder.packaged_models import EMBEDDED, MOONSHINE, PACKAGED, moonshine_cache, packaged_model
from decoder.types import ModelError

__all__ = ["HUB_NAMES", "is_cached", "pull_model", "resolve_model"]

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

REQUIRED_FILES: Final = ("model.bin", "config.json", "tokenizer.json", "vocabulary.*")
"""Without these the model does not load, or CTranslate2 would silently fetch the tokenizer from the hub."""

DOWNLOADED_FILES: Final = [*REQUIRED_FILES, "preprocessor_config.json"]
"""A repository may also hold other formats of the same weights, which are gigabytes."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

_REVISION = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*")


def resolve_model(name_or_dir: str, *, offline: bool) -> Path:
    """Return the directory of a model, downloading it unless it is local or cached.

    Args:
        name_or_dir: a short name (`small`, `large-v3-turbo` …) or the hub's `owner/name`, either with `@REVISION` (a
            commit, tag or branch on the hub) to pin a version; or a local directory.
        offline: never access the hub.

    Raises:
        ModelError: there is no such model, its files are missing or not those expected, or the hub cannot be reached.
    """
    directory = Path(name_or_dir).expanduser()
    if name_or_dir and name_or_dir not in HUB_NAMES and directory.is_dir():
        missing = _missing_files(directory)
        if missing:
            raise ModelError(f"model directory {directory} lacks {', '.join(missing)}: not a CTranslate2 Whisper model")
        return directory
    found = packaged_model(name_or_dir) if name_or_dir == EMBEDDED else None
    found = found or is_cached(name_or_dir)
    if found is not None:
        return found
    if offline:
        raise ModelError(f"model {name_or_dir} is not in the local cache and offline is set: {_advice(name_or_dir)}")
    return pull_model(name_or_dir)


def is_cached(name: str) -> Path | None:
    """Return the directory of a hub model in the local cache; None if it is not cached completely.

    Raises:
        ModelError: the name is neither a short name nor `owner/name`, or its revision is malformed.
    """
    # Imported on use: the import is slow, and reads HF_HOME, HF_HUB_OFFLINE … at that moment.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    hub_id, revision = _hub_id(name)
    try:
        found = Path(
            snapshot_download(hub_id, revision=revision, local_files_only=True, allow_patterns=DOWNLOADED_FILES)
        )
    except LocalEntryNotFoundError:
        return None
    return None if _missing_files(found) else found


def pull_model(name: str) -> Path:
    """Download the missing files of a model and return its directory; on a terminal, display a progress bar.

    Args:
        name: a name on the hub, or `moonshine-tiny-en`, which its makers serve themselves.

    Raises:
        ModelError: no such model, no access to it, or the hub cannot be reached.
    """
    if name == MOONSHINE:
        from decoder.engines.moonshine.download import download

        return download(PACKAGED[MOONSHINE].files, moonshine_cache())
    hub_id, revision = _hub_id(name)
    directory = _download(name, hub_id, revision)
    missing = _missing_files(directory)
    if missing:
        raise ModelError(f"repository {hub_id} lacks {', '.join(missing)}: not a CTranslate2 Whisper model")
    return directory


def _download(name: str, hub_id: str, revision: str | None) -> Path:
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
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=DOWNLOADED_FILES))
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


def _hub_id(name: str) -> tuple[str, str | None]:
    """Return the repository of a name, and its revision if there is one."""
    plain, at, revision = name.partition("@")
    hub_id = HUB_NAMES.get(plain, plain)
    if not _HUB_ID.fullmatch(hub_id):
        raise ModelError(f"model {name!r} is neither a known name nor a directory; {_expected()}")
    if at and not _REVISION.fullmatch(revision):
        raise ModelError(f"model {name!r}: revision {revision!r}: expected a commit, tag or branch on the hub")
    return hub_id, revision or None


def _missing_files(directory: Path) -> list[str]:
    return [pattern for pattern in REQUIRED_FILES if not any(directory.glob(pattern))]


def _advice(name: str) -> str:
    return f"run `livecue pull {name}` with access to the hub, or set the directory of a model"


def _expected() -> str:
    return f"expected {', '.join(HUB_NAMES)}, an owner/name on the hub (each also with @REVISION), or a directory"
