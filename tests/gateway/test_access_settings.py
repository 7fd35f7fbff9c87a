"""Settings of tokens and of the audit log: what is refused at the start."""

from pathlib import Path

import pytest

from gateway.access_settings import OidcSettings
from gateway.errors import ConfigurationError
from gateway.settings import Settings, load_settings

OIDC = {"jwks_url": "https://login.example.com/jwks", "issuer": "https://login.example.com", "audience": "livecue"}


def loaded(**oidc: object) -> Settings:
    return load_settings({"oidc": {**OIDC, **oidc}})


@pytest.mark.parametrize(
    "url", ["https://login.example.com/jwks", "http://127.0.0.1:1/jwks", "http://[::1]/jwks", "http://localhost/"]
)
def test_keys_come_by_https_or_from_this_machine(url: str) -> None:
    assert loaded(jwks_url=url).oidc.jwks_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/jwks",
        "http://localhost.example.com/jwks",
        "http://127.0.0.1@login.example.com/jwks",
        "file:///etc/jwks",
        "https://",
        "login.example.com/jwks",
    ],
)
def test_other_addresses_of_keys_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"oidc.jwks_url.*expected https://HOST/PATH"):
        loaded(jwks_url=url)


@pytest.mark.parametrize("algorithms", ["none", "HS256", "RS256,HS256", "", "rs256"])
def test_an_algorithm_without_a_private_key_cannot_be_set(algorithms: str) -> None:
    with pytest.raises(ConfigurationError, match=r"oidc\.algorithms"):
        loaded(algorithms=algorithms)
    assert loaded(algorithms="ES384, EdDSA").oidc.algorithms == ("ES384", "EdDSA")


@pytest.mark.parametrize("name", ["issuer", "audience"])
def test_an_address_of_keys_needs_an_issuer_and_an_audience(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"oidc.{name} is not set"):
        load_settings({"oidc": {key: value for key, value in OIDC.items() if key != name}})
    with pytest.raises(ConfigurationError, match=f"oidc.{name}"):
        loaded(**{name: ""})
    assert OidcSettings().missing is None


@pytest.mark.parametrize("pair", ["captioner", "=read", "captioner=write", "captioner="])
def test_a_value_of_the_scope_claim_must_grant_a_scope(pair: str) -> None:
    with pytest.raises(ConfigurationError, match="expected VALUE=SCOPE with one of the scopes ingest, read"):
        loaded(scope_values=pair)
    assert loaded(scope_values="a=read,b=c=admin").oidc.scope_values == ("a=read", "b=c=admin")


def test_the_audit_log_is_set_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_AUDIT__PATH", "/var/log/livecue/audit.jsonl")
    monkeypatch.setenv("LIVECUE_AUDIT__REQUIRED", "true")
    audit = load_settings().audit
    assert (audit.path, audit.required) == (Path("/var/log/livecue/audit.jsonl"), True)
