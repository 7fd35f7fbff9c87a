"""All words of a result as CSV, for other tools."""

import csv
from pathlib import Path

from clients.bench.result import Result, Word

__all__ = ["write_csv"]

_OF_RUN = ("run", "purpose", "streams", "valid", "stream", "recording", "word")
_OF_WORD = Word.__struct_fields__


def write_csv(result: Result, path: Path) -> None:
    """Write one row a word of each stream of each run; times in seconds, empty: never.

    Columns: number of the run and its purpose, streams and validity; number of the stream, its recording, the number of
    the word in it, and the fields of `Word`. Numbers count from 0.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*_OF_RUN, *_OF_WORD])
        for number, run in enumerate(result.runs):
            for stream in run.per_stream:
                where = [number, run.purpose, run.streams, run.clock.valid, stream.stream, stream.recording]
                for place, word in enumerate(stream.words):
                    rows.writerow([*where, place, *(getattr(word, name) for name in _OF_WORD)])
