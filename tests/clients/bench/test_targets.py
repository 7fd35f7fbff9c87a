"""Endpoints by the name of their dialect."""

from clients.bench.self_test_dialect import SelfTestDriver
from clients.bench.targets import SELF_TEST, EndpointSpec, endpoint_of


def test_the_dialect_of_the_self_test_is_known() -> None:
    endpoint = endpoint_of(EndpointSpec("ws://127.0.0.1:1", SELF_TEST))
    assert isinstance(endpoint.make_driver(), SelfTestDriver)
    assert endpoint.url == "ws://127.0.0.1:1"
