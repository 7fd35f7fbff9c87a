"""torch is an extra: without it only what does not import it is tested here."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

PURE_TESTS = ("test_alignment_heads.py", "test_dims.py", "test_passes.py", "test_term_trie.py")

HAS_TORCH = find_spec("torch") is not None

collect_ignore = [
    path.name for path in Path(__file__).parent.glob("test_*.py") if not HAS_TORCH and path.name not in PURE_TESTS
]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute in one thread: what the tests compute is too small to be shared out."""
    if not HAS_TORCH:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
