"""Servers by the name of their dialect: what a worker process needs to know of an endpoint."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module

from clients.bench.endpoint import ConnectTarget, Endpoint
from clients.bench.self_test_dialect import SelfTestDriver
from clients.connection import Connection, connect_websocket
from clients.dialects.driver import Driver, DriverOptions, Target

__all__ = ["SELF_TEST", "EndpointSpec", "endpoint_of"]

SELF_TEST = "self-test"
"""Name of the dialect of the self-test's server, which users cannot name."""


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """A server to measure, as plain values.

    Attributes:
        url: as the user gives it.
        dialect: a key of `clients.dialects.DRIVERS`, or `SELF_TEST`.
        options: of its drivers.
    """

    url: str
    dialect: str
    options: DriverOptions = field(default_factory=DriverOptions)


def endpoint_of(spec: EndpointSpec) -> Endpoint:
    """Return the endpoint of a specification.

    Raises:
        KeyError: there is no such dialect.
    """
    if spec.dialect == SELF_TEST:
        return Endpoint(spec.url, SelfTestDriver, _open_websocket)
    # found by name until the drivers are part of the package
    dialects = import_module("clients.dialects")
    connect: ConnectTarget = import_module("clients.dialects.transports").open_transport
    drivers: Mapping[str, Callable[[DriverOptions], Driver]] = dialects.DRIVERS
    is_ready = spec.dialect in dialects.READY_WHEN_CONNECTED
    return Endpoint(spec.url, partial(drivers[spec.dialect], spec.options), connect, is_ready)


@asynccontextmanager
async def _open_websocket(target: Target) -> AsyncIterator[Connection]:
    async with connect_websocket(target.url, target.headers, target.subprotocols) as connection:
        yield connection
