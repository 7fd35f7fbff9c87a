"""Opening the verification of tokens."""

import pytest

from gateway.access import oidc
from gateway.access.oidc import open_token_verifier
from gateway.access_settings import OidcSettings
from gateway.errors import ConfigurationError
from tests.tokens import AUDIENCE, ISSUER, Issuer, serving_jwks


async def test_without_an_address_of_keys_there_are_no_tokens() -> None:
    async with open_token_verifier(OidcSettings()) as tokens:
        assert tokens is None


async def test_the_keys_are_fetched_and_tokens_verified_with_them() -> None:
    issuer = Issuer()
    with serving_jwks(issuer) as url:
        async with open_token_verifier(OidcSettings(url, ISSUER, AUDIENCE)) as tokens:
            assert tokens is not None
            assert (await tokens.verify(issuer.token(), None)).name == "oidc:alice"


async def test_without_the_extra_the_gateway_does_not_start_and_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oidc, "_LIBRARIES", ("jwt", "a_library_that_is_not_there"))
    with pytest.raises(ConfigurationError, match=r"pip install 'livecue\[oidc\]'"):
        async with open_token_verifier(OidcSettings("https://login.example.com/jwks", ISSUER, AUDIENCE)):
            pass
