"""torch is an extra: without it only what does not import it is tested here."""

from importlib.util import find_spec
from pathlib import Path

PURE_TESTS = ("test_dims.py", "test_passes.py")

_all = {path.name for path in Path(__file__).parent.glob("test_*.py")}
collect_ignore = [] if find_spec("torch") else sorted(_all - set(PURE_TESTS))
