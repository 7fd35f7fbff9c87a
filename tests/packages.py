"""Small fake packages in a folder on the import path."""

from pathlib import Path

__all__ = ["install_package"]


def install_package(folder: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """Write a package as an installer does.

    Args:
        folder: on Python's path.
        name: of the package.
        version: of the package.
        files: path inside the folder → content.
    """
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
