"""The options of benchmarks that run real weights on recordings."""

import argparse
from pathlib import Path

from benchmarks.recordings import SHARED_AUDIO
from tools.real_models import model_directory

__all__ = ["parse_options", "weights_parser"]

WEIGHTS = ("whisper-tiny.en", "whisper-base")


def weights_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options for recordings, weights and results.

    Args:
        module: of the benchmark.
        description: its docstring.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    laid_out = [directory for directory in map(model_directory, WEIGHTS) if directory is not None]
    parser.add_argument("--audio", type=Path, default=SHARED_AUDIO, help="folder of recordings and their manifest.json")
    parser.add_argument("--weights", type=Path, nargs="+", default=laid_out, help="directories for CTranslate2")
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser


def parse_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the options; without weights the benchmark ends with a message."""
    options = parser.parse_args()
    if not options.weights:
        parser.error("no weights found: run `make models`, or set --weights")
    return options
