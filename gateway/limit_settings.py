"""Settings of what protects a gateway from those who use it, and them from each other."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

__all__ = ["LimitSettings"]

_Timeout = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What one peer may take, and for how long.

    Attributes:
        drain_s: after a signal to stop, what has been heard is answered and files are finished for so long; then the
            rest is cut. 30 s: what Kubernetes waits by default, and longer than an utterance takes.
    """

    drain_s: _Timeout = 30.0
