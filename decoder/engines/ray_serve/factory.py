"""Creates the engine `ray`. Ray reads its environment when it is imported, so that this comes first."""

import os

from decoder.engines.ray_serve.engine import RayEngine
from decoder.settings import EngineSettings

__all__ = ["create"]

NO_REPORTS = {"RAY_USAGE_STATS_ENABLED": "0"}
"""Without it Ray reports its use to its makers."""

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Without clusters of several machines, which is the default on macOS and Windows, Ray listens on loopback only."""


def create(settings: EngineSettings) -> RayEngine:
    """Return an engine on the cluster that the settings name; `warm_up` starts or finds it.

    Raises:
        ModuleNotFoundError: Ray is not installed.
    """
    environment = NO_REPORTS | (LOOPBACK if settings.ray.address is None else {})
    for name, value in environment.items():
        os.environ.setdefault(name, value)
    from decoder.engines.ray_serve.cluster import ServeCluster

    return RayEngine(ServeCluster(settings), settings)
