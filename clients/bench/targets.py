"""Servers by the name of their dialect: what a worker process needs to know of an endpoint."""

from dataclasses import dataclass, field
from functools import partial

from clients.bench.endpoint import Endpoint
from clients.bench.self_test_dialect import SelfTestDriver
from clients.dialects import DRIVERS, READY_WHEN_CONNECTED
from clients.dialects.driver import DriverOptions
from clients.dialects.transports import open_transport

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
        return Endpoint(spec.url, SelfTestDriver, open_transport)
    is_ready = spec.dialect in READY_WHEN_CONNECTED
    return Endpoint(spec.url, partial(DRIVERS[spec.dialect], spec.options), open_transport, is_ready)
