"""An OpenID provider of tests: it has keys, and signs tokens."""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.http_server import serving_http

__all__ = ["AUDIENCE", "ISSUER", "Issuer", "SigningKey", "b64", "rsa_key", "serving_jwks"]

ISSUER, AUDIENCE = "https://login.example.com", "livecue"

_Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def rsa_key(name: str, bits: int = 2_048) -> rsa.RSAPrivateKey:
    """Return a key of that name, always the same one, since making one takes a tenth of a second."""
    assert name
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair, and how it is published."""

    kid: str | None
    algorithm: str
    private: _Private
    more: Mapping[str, object] = field(default_factory=dict)

    @property
    def jwk(self) -> dict[str, object]:
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            parsed = json.loads(RSAAlgorithm.to_jwk(public))
        elif isinstance(public, ec.EllipticCurvePublicKey):
            parsed = json.loads(ECAlgorithm.to_jwk(public))
        else:
            parsed = json.loads(OKPAlgorithm.to_jwk(public))
        parsed = {name: value for name, value in parsed.items() if name not in ("key_ops", "alg")}
        return {**parsed, **({} if self.kid is None else {"kid": self.kid}), "use": "sig", **self.more}


@dataclass(slots=True)
class Issuer:
    """A provider with some keys; it signs with the first."""

    keys: list[SigningKey] = field(default_factory=lambda: [SigningKey("one", "RS256", rsa_key("one"))])
    more: list[object] = field(default_factory=list)
    """Further entries of its JWK set."""
    is_down: bool = False

    @property
    def jwks(self) -> bytes:
        return json.dumps({"keys": [*(key.jwk for key in self.keys), *self.more]}).encode()

    def token(
        self, key: SigningKey | None = None, headers: Mapping[str, object] | None = None, **claims: object
    ) -> str:
        """Return a token for alice with all scopes, valid for five minutes; a claim of None is left out."""
        return self.token_of(claims, key, headers)

    def token_of(
        self,
        claims: Mapping[str, object],
        key: SigningKey | None = None,
        headers: Mapping[str, object] | None = None,
    ) -> str:
        """Return a token with claims whose names may be any; else as `token`."""
        key = key or self.keys[0]
        now_s = int(time.time())
        every = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "alice",
            "iat": now_s,
            "exp": now_s + 300,
            "scope": "openid livecue:ingest livecue:read livecue:delete livecue:sinks livecue:admin",
            **claims,
        }
        kept = {name: value for name, value in every.items() if value is not None}
        kid = {} if key.kid is None else {"kid": key.kid}
        return jwt.encode(kept, key.private, key.algorithm, {**kid, **(headers or {})})


def b64(data: bytes) -> str:
    """Return data in base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def serving_jwks(issuer: Issuer) -> Iterator[str]:
    """Serve the JWK set of a provider on loopback while the block lasts, and yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = issuer.jwks
            self.send_response(503 if issuer.is_down else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with serving_http(Handler) as url:
        yield f"{url}/jwks"
