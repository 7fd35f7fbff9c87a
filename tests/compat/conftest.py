"""Where the frameworks are not installed, there is nothing to collect."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("livekit") and find_spec("pipecat") else ["test_*.py"]
