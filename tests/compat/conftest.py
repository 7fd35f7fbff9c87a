"""Where the frameworks are not installed, their tests cannot be collected; those of clients in JavaScript can."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("livekit") and find_spec("pipecat") else ["test_livekit.py", "test_pipecat.py"]
