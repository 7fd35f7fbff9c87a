"""Addresses of Ray clusters at which nothing listens."""

from socket import create_server

import pytest

from decoder.engines.ray_serve.reachability import check_reachable
from decoder.types import ModelError


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_at_which_something_listens_passes(scheme: str) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        check_reachable(f"{scheme}127.0.0.1:{listener.getsockname()[1]}")


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_at_which_nothing_listens_is_refused_at_once(scheme: str) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        address = f"{scheme}127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ModelError, match=f"Ray cannot be reached at {address}: Connection refused"):
        check_reachable(address)


@pytest.mark.parametrize("address", ["auto", "local", "head", "head:port", "[::1", "ray://head"])
def test_an_address_without_a_port_is_left_to_ray(address: str) -> None:
    check_reachable(address)
