"""Verifies JSON Web Tokens (RFC 7519, and by the advice of RFC 8725) against the keys of their issuer."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jwt
from jwt.types import Options

from gateway.access.caller import OIDC_PREFIX, Caller
from gateway.access.jwks import JwksCache, JwksUnavailable
from gateway.access.scopes import Scope
from gateway.access_settings import OidcSettings
from gateway.errors import Unauthorized, Unavailable

__all__ = ["JwkSet", "TokenVerifier", "parse_jwks"]

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
"""A JWS in compact form, RFC 7515 §7.1, also one without a signature."""

_MAX_KEYS = 100

_MIN_RSA_BITS = 2_048
"""RFC 7518 §3.3."""

_MAX_NAME_CHARS = 255
"""OpenID Connect Core §2, of `sub`."""

_MAX_TIME_S = 1 << 40
"""The year 36 812; greater numbers may not fit into a float."""

_FAMILIES: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""Type and curve of a public key → the signatures that it can verify. Symmetric keys are not among them."""

_OPTIONS: Options = {"require": ["exp", "iss", "aud"], "verify_sub": False, "verify_jti": False}
"""What a token must have; the claim of the name is checked here, be it `sub` or another."""


@dataclass(frozen=True, slots=True, eq=False)
class JwkSet:
    """The usable keys of a JWK set.

    Attributes:
        keys: (key id, algorithm) → public key for just this algorithm; the id is None where the set has none for it.
    """

    keys: Mapping[tuple[str | None, str], jwt.PyJWK]

    def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return the key of an id, or for a token without one the only key for the algorithm; None: no such key."""
        if kid is not None:
            return self.keys.get((kid, algorithm))
        candidates = [key for (_, usable), key in self.keys.items() if usable == algorithm]
        return candidates[0] if len(candidates) == 1 else None


def parse_jwks(document: bytes, algorithms: Sequence[str]) -> JwkSet:
    """Return the keys of a JWK set that verify signatures by one of the algorithms; skip all others, RFC 7517 §5.

    Raises:
        JwksUnavailable: the document is no JWK set, or has no such key.
    """
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise JwksUnavailable(f"no JSON: {error}") from error
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise JwksUnavailable("no JWK set: expected an object with the list 'keys'")
    keys: dict[tuple[str | None, str], jwt.PyJWK] = {}
    for entry in entries[:_MAX_KEYS]:
        if isinstance(entry, dict):
            for algorithm in _algorithms_of(entry, algorithms):
                key = _public_key(entry, algorithm)
                if key is not None:
                    keys.setdefault((key.key_id, algorithm), key)
    if not keys:
        raise JwksUnavailable(f"no public key for signatures by {', '.join(algorithms)}")
    return JwkSet(keys)


class TokenVerifier:
    """Turns tokens into callers.

    Args:
        settings: issuer, audience, algorithms and claims.
        jwks: the keys of the issuer.
        wall_clock: seconds since 1970.
    """

    def __init__(self, settings: OidcSettings, jwks: JwksCache[JwkSet], wall_clock: Callable[[], float]) -> None:
        self.jwks = jwks
        self._settings = settings
        self._wall_clock = wall_clock
        pairs = (pair.rpartition("=") for pair in settings.scope_values)
        self._granted = frozenset((value, Scope(scope)) for value, _, scope in pairs)

    @property
    def max_open(self) -> int | None:
        """Sessions and files at once of one caller; None: any number."""
        return self._settings.max_open

    def is_token(self, secret: str) -> bool:
        """Return whether a secret has the form of a token."""
        return _TOKEN.fullmatch(secret) is not None

    async def verify(self, token: str, address: str | None) -> Caller:
        """Return the caller that a token stands for.

        Args:
            token: in compact form.
            address: of the client.

        Raises:
            Unauthorized: the token is invalid; the message has why.
            Unavailable: the keys of its issuer cannot be fetched.
        """
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise Unauthorized(f"malformed token: {error}") from error
        key = await self._key_of(header.get("kid"), header.get("alg"))
        settings = self._settings
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=settings.leeway_s,
                options=_OPTIONS,
            )
        except jwt.PyJWTError as error:
            raise Unauthorized(f"invalid token: {error}") from error
        return self._caller_of(claims, address)

    def check_live(self, caller: Caller) -> None:
        """Check that a session of a caller may go on.

        Raises:
            Unauthorized: its token has expired, and sessions end with it.
        """
        ends_s = None if caller.expires_s is None else caller.expires_s + self._settings.leeway_s
        if self._settings.end_sessions and ends_s is not None and self._wall_clock() >= ends_s:
            raise Unauthorized("the token of this session has expired")

    async def _key_of(self, kid: object, algorithm: object) -> jwt.PyJWK:
        allowed = self._settings.algorithms
        # before anything is fetched or verified, so that the token does not choose how it is verified (RFC 8725 §3.1)
        if not isinstance(algorithm, str) or algorithm not in allowed:
            raise Unauthorized(f"invalid token: its signature must be by one of {', '.join(allowed)}")
        assert kid is None or isinstance(kid, str), "checked with the header"
        try:
            keys = await self.jwks.keys()
            key = keys.find(kid, algorithm)
            if key is None:
                key = (await self.jwks.newer_keys(keys)).find(kid, algorithm)
        except JwksUnavailable as error:
            raise Unavailable(str(error)) from error
        if key is None:
            raise Unauthorized("invalid token: its issuer has no such key")
        return key

    def _caller_of(self, claims: Mapping[str, object], address: str | None) -> Caller:
        name = _claim(claims, self._settings.name_claim)
        if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME_CHARS or not name.isprintable():
            raise Unauthorized(
                f"invalid token: claim {self._settings.name_claim} must be text of 1 to {_MAX_NAME_CHARS} characters"
            )
        given = _claim(claims, self._settings.scope_claim)
        values = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
        scopes = frozenset(scope for value, scope in self._granted if value in values)
        expires = claims["exp"]
        assert isinstance(expires, int | float | str), "verified as a number"
        return Caller(OIDC_PREFIX + name, address, scopes, expires_s=float(min(int(expires), _MAX_TIME_S)))


def _claim(claims: Mapping[str, object], path: str) -> object:
    """Return a claim by its name, or by a path into objects; None: there is none."""
    if path in claims:  # names may have dots: https://example.com/roles
        return claims[path]
    first, _, rest = path.partition(".")
    inner = claims.get(first)
    return _claim(inner, rest) if rest and isinstance(inner, dict) else None


def _algorithms_of(entry: Mapping[str, object], allowed: Sequence[str]) -> list[str]:
    """Return by which of the allowed algorithms a JWK verifies signatures."""
    operations = entry.get("key_ops")
    if entry.get("use") not in (None, "sig") or (isinstance(operations, list) and "verify" not in operations):
        return []
    kind, curve = entry.get("kty"), entry.get("crv")
    family = _FAMILIES.get((str(kind), None if kind == "RSA" else str(curve)), ())
    return [name for name in allowed if name in family and entry.get("alg") in (None, name)]


def _public_key(entry: dict[str, object], algorithm: str) -> jwt.PyJWK | None:
    """Return a key for one algorithm; None: it is damaged, too short or private, or its id is no text."""
    kid = entry.get("kid")
    if "d" in entry or not (kid is None or isinstance(kid, str)):  # a private key that was published is everyone's
        return None
    try:
        key = jwt.PyJWK(entry, algorithm)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        return None
    is_short = entry.get("kty") == "RSA" and key.key.key_size < _MIN_RSA_BITS
    return None if is_short else key
