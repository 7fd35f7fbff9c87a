"""Settings of who may use a gateway beyond API keys, and of the record of what they did."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

__all__ = ["AuditSettings", "OidcSettings"]

_Interval = Annotated[float, Field(gt=0)]

_Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures by a private key (RFC 7518 §3.1, RFC 8037). Neither `none` nor the HMACs, whose key would be public."""

_SCOPES = ("ingest", "read", "delete", "sinks", "admin")


def _split_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_jwks_url(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not _is_loopback(host)):
        raise ValueError("expected https://HOST/PATH; http is allowed for loopback only, since keys must not be forged")
    return url


def _check_scope_values(pairs: tuple[str, ...]) -> tuple[str, ...]:
    for pair in pairs:
        value, _, scope = pair.rpartition("=")
        if not value or scope not in _SCOPES:
            raise ValueError(f"{pair!r}: expected VALUE=SCOPE with one of the scopes {', '.join(_SCOPES)}")
    return pairs


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Settings of JSON Web Tokens, which an OpenID provider issues and which are accepted in place of API keys.

    Attributes:
        jwks_url: https://HOST/PATH of the provider's JWK set; None: tokens are not accepted. Needs the extra `oidc`.
        issuer: what the claim `iss` must be, exactly; required with `jwks_url`.
        audience: what the claim `aud` must contain; required with `jwks_url`.
        algorithms: signatures that are accepted: RS, PS and ES with 256, 384 and 512 bits, and EdDSA.
        leeway_s: how much the provider's clock may differ. 30 s: as much as machines without NTP drift in a month.
        name_claim: claim by which callers are distinguished, and to which their sessions belong; `azp` or `client_id`
            makes all users of one application the same caller.
        scope_claim: claim with the scopes, a list or words; a dot leads into an object, `realm_access.roles`.
        scope_values: VALUE=SCOPE, values of that claim and the scopes that they grant: ingest, read, delete or admin.
        max_open: sessions and files at once of one caller; None: any number.
        end_sessions: whether a session ends when the token that opened it expires. Access tokens last minutes, and
            meetings hours.
        refresh_s: interval at which the JWK set is fetched again; an unknown key id fetches it at once. Five minutes:
            how long a key that the provider has withdrawn is still accepted.
        max_stale_s: how long the last JWK set is used while it cannot be fetched; then tokens get 503. A day: an
            outage of the provider should not stop captions.
    """

    jwks_url: Annotated[str, AfterValidator(_check_jwks_url)] | None = None
    issuer: Annotated[str, Field(min_length=1)] | None = None
    audience: Annotated[str, Field(min_length=1)] | None = None
    algorithms: Annotated[tuple[_Algorithm, ...], BeforeValidator(_split_commas), Field(min_length=1)] = (
        "RS256",
        "PS256",
        "ES256",
        "EdDSA",
    )
    leeway_s: Annotated[float, Field(ge=0, le=300)] = 30.0
    name_claim: Annotated[str, Field(min_length=1)] = "sub"
    scope_claim: Annotated[str, Field(min_length=1)] = "scope"
    scope_values: Annotated[tuple[str, ...], BeforeValidator(_split_commas), AfterValidator(_check_scope_values)] = (
        "livecue:ingest=ingest",
        "livecue:read=read",
        "livecue:delete=delete",
        "livecue:sinks=sinks",
        "livecue:admin=admin",
    )
    max_open: Annotated[int, Field(ge=1)] | None = None
    end_sessions: bool = False
    refresh_s: _Interval = 300.0
    max_stale_s: _Interval = 86_400.0

    @property
    def missing(self) -> str | None:
        """Name of a setting that `jwks_url` requires and that is not set; None: there is none."""
        required: Mapping[str, str | None] = {"oidc.issuer": self.issuer, "oidc.audience": self.audience}
        if self.jwks_url is None:
            return None
        return next((name for name, value in required.items() if value is None), None)


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Settings of the audit log.

    Attributes:
        path: file to which a line of JSON is appended for each session that is opened, read, watched or deleted, and
            for each key, client secret and view token; None: no audit log.
        required: whether requests are refused with 503 while the log cannot be written. By default they are served:
            the records wait in memory, and those that are lost are counted.
    """

    path: Path | None = None
    required: bool = False
