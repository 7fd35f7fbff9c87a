"""Joins results of one server, as runs in turns with other servers leave them. PURE."""

from collections.abc import Iterable
from itertools import chain

import msgspec

from clients.bench.result import Result

__all__ = ["join_results"]


def join_results(results: Iterable[Result]) -> list[Result]:
    """Return one result per server and test set, in the order in which they first appear, with all their runs.

    What else a result states is that of the first; of several capacities the last one stays.

    Args:
        results: of any servers. Those of one name that differ in address, dialect, model, version or options stay
            apart.
    """
    groups: dict[tuple[bytes, str], list[Result]] = {}
    for result in results:
        key = msgspec.json.encode(result.server, order="deterministic"), result.testset.sha256
        groups.setdefault(key, []).append(result)
    return [_joined(group) for group in groups.values()]


def _joined(results: list[Result]) -> Result:
    capacities = [result.capacity for result in results if result.capacity is not None]
    return msgspec.structs.replace(
        results[0],
        runs=list(chain.from_iterable(result.runs for result in results)),
        capacity=capacities[-1] if capacities else None,
        notes=list(dict.fromkeys(chain.from_iterable(result.notes for result in results))),
    )
