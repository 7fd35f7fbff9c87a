"""The adapter to Ray: starts or finds a cluster, deploys the replicas and calls them. Only this module imports Ray."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

import ray
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.config import AutoscalingConfig
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from decoder.engine_process.messages import Start
from decoder.engines.ray_serve.engine import ReplicaLost
from decoder.engines.ray_serve.reachability import check_reachable
from decoder.engines.ray_serve.replica import Replica, frame_of
from decoder.settings import EngineSettings, RaySettings
from decoder.types import EngineFailed, ModelError

__all__ = ["APPLICATION", "ServeCluster"]

APPLICATION = "livecue"
"""Name of the application on Ray Serve; gateways with the same one share its replicas."""

DEPLOYMENT = "decoder"

MOST_ONGOING = 1024
"""Calls that one replica takes from all gateways; the replica itself decodes no more at a time than its engine can, and
each gateway sends no more than that to every replica."""

BUSY_SHARE = 0.7
"""Ray adds replicas while they have more than this share of the batches that they can decode at the same time."""

POLL_TIMEOUT_S = 10.0

HEALTH_INTERVAL_S = 2.0
"""Ray finds a dead replica within this, and starts another one."""

CLOSING_S = 5.0


class ServeCluster:
    """The replicas of one engine on Ray Serve. It fulfils `decoder.engines.ray_serve.engine.Cluster`.

    A cluster that this starts listens on loopback only, has no dashboard and no HTTP proxy, and ends in `close`. On
    another one the replicas stay: other gateways may use them, and the next start finds them warm.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._handle: DeploymentHandle | None = None
        self._is_connected = False

    def start(self) -> bytes:
        """Start the replicas, wait until all are warm and return the frame of a `Started`.

        Raises:
            ModelError: Ray cannot be reached or started, or the replicas do not start.
        """
        try:
            self._connect(self._settings.ray)
            self._is_connected = True
            serve.start(proxy_location="Disabled")
            self._handle = serve.run(self._application(), name=APPLICATION, route_prefix=None)
            description: bytes = self._handle.describe.remote().result()
        except (RayError, RayServeException, ConnectionError, RuntimeError, TimeoutError) as error:
            raise ModelError(f"the replicas on Ray did not start: {error}") from error
        return description

    async def decode(self, frame: bytes) -> tuple[str, bytes]:
        """Return what `Replica.decode` of any replica does.

        Raises:
            ReplicaLost: the replica has died.
            EngineFailed: it raised.
        """
        response = self._replicas().decode.remote(frame)
        try:
            answer: tuple[str, bytes] = await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except RayTaskError as error:
            raise EngineFailed(f"the replica raised {type(error.cause).__name__}") from error
        except (RayError, RayServeException) as error:
            raise ReplicaLost(f"the replica has died: {type(error).__name__}") from error
        return answer

    def poll(self, forgotten: tuple[str, ...]) -> Sequence[bool]:
        """Return what `Replica.poll` of each running replica does.

        Raises:
            EngineFailed: they cannot be asked.
        """
        try:
            answers: list[bool] = self._replicas().broadcast("poll", forgotten).results(timeout_s=POLL_TIMEOUT_S)
        except (RayError, RayServeException, TimeoutError) as error:
            raise EngineFailed(f"{type(error).__name__}: {error}") from error
        return answers

    def close(self) -> None:
        """Disconnect; a cluster that this started ends."""
        self._handle = None
        if not self._is_connected:
            return
        self._is_connected = False
        if self._settings.ray.address is None:
            serve.shutdown()
        ray.shutdown()

    def _replicas(self) -> DeploymentHandle:
        if self._handle is None:
            raise EngineFailed("the replicas are not started")
        return self._handle

    @staticmethod
    def _connect(settings: RaySettings) -> None:
        if settings.address is not None:
            check_reachable(settings.address)
            ray.init(address=settings.address, configure_logging=False, log_to_driver=False)
            return
        most = settings.max_replicas or settings.replicas
        ray.init(
            address="local",
            include_dashboard=False,
            num_cpus=max(1, round(most * settings.cpus + 0.5)),
            configure_logging=False,
            log_to_driver=False,
        )

    def _application(self) -> serve.Application:
        settings = self._settings
        in_replica = replace(settings, name=settings.ray.engine, own_process=False, ray=RaySettings())
        start = Start(in_replica, logging.getLogger("livecue").getEffectiveLevel())
        options = {
            "name": DEPLOYMENT,
            "user_config": {"warm": True},  # so that Ray calls `reconfigure` before the first request
            "max_ongoing_requests": MOST_ONGOING,
            "health_check_period_s": HEALTH_INTERVAL_S,
            "graceful_shutdown_timeout_s": CLOSING_S,
            "ray_actor_options": {"num_cpus": settings.ray.cpus, "num_gpus": settings.ray.gpus},
            **_scale(settings.ray),
        }
        return serve.deployment(**options)(Replica).bind(frame_of(start))


def _scale(settings: RaySettings) -> dict[str, object]:
    if settings.max_replicas is None:
        return {"num_replicas": settings.replicas}
    return {
        "autoscaling_config": AutoscalingConfig(
            min_replicas=settings.replicas,
            max_replicas=settings.max_replicas,
            target_ongoing_requests=BUSY_SHARE,
        )
    }
