"""JSON Web Tokens: what is accepted, and every way to forge one that is not."""

import hashlib
import hmac
import json
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.access.caller import Caller
from gateway.access.jwks import JwksCache, JwksTiming, JwksUnavailable
from gateway.access.scopes import ALL_SCOPES, Scope
from gateway.access.token_verifier import JwkSet, TokenVerifier, parse_jwks
from gateway.access_settings import OidcSettings
from gateway.errors import Unauthorized, Unavailable
from tests.tokens import AUDIENCE, ISSUER, Issuer, SigningKey, b64, rsa_key

SETTINGS = OidcSettings(jwks_url="https://login.example.com/jwks", issuer=ISSUER, audience=AUDIENCE)

EC_KEY = SigningKey("ec", "ES256", ec.generate_private_key(ec.SECP256R1()))
ED_KEY = SigningKey("ed", "EdDSA", ed25519.Ed25519PrivateKey.generate())
STRANGER = SigningKey("one", "RS256", rsa_key("stranger"))


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def verifier(issuer: Issuer, settings: OidcSettings = SETTINGS, wall_s: float | None = None) -> TokenVerifier:
    async def fetch() -> JwkSet:
        if issuer.is_down:
            raise JwksUnavailable("down")
        return parse_jwks(issuer.jwks, settings.algorithms)

    jwks = JwksCache(fetch, JwksTiming(300.0, 3_600.0), time.monotonic)
    return TokenVerifier(settings, jwks, time.time if wall_s is None else lambda: wall_s)


async def verified(issuer: Issuer, token: str, settings: OidcSettings = SETTINGS) -> Caller:
    return await verifier(issuer, settings).verify(token, "192.0.2.7")


async def refused(issuer: Issuer, token: str, settings: OidcSettings = SETTINGS) -> str:
    with pytest.raises(Unauthorized) as error:
        await verified(issuer, token, settings)
    assert token not in str(error.value)
    assert token.rpartition(".")[2] not in str(error.value) or token.endswith(".")
    return str(error.value)


# --- what is accepted -----------------------------------------------------------------------------------------------


async def test_a_token_stands_for_its_subject_with_its_scopes_until_it_expires(issuer: Issuer) -> None:
    expires_s = int(time.time()) + 60
    caller = await verified(issuer, issuer.token(exp=expires_s))
    assert caller == Caller("oidc:alice")
    assert (caller.address, caller.scopes, caller.expires_s) == ("192.0.2.7", ALL_SCOPES, float(expires_s))


@pytest.mark.parametrize("key", [EC_KEY, ED_KEY, SigningKey("ps", "PS256", rsa_key("one"))], ids=lambda key: key.kid)
async def test_each_algorithm_of_the_settings_is_verified(issuer: Issuer, key: SigningKey) -> None:
    issuer.keys.append(key)
    assert await verified(issuer, issuer.token(key)) == Caller("oidc:alice")


async def test_a_token_without_a_key_id_is_accepted_where_only_one_key_can_have_signed_it(issuer: Issuer) -> None:
    issuer.keys = [SigningKey(None, "RS256", rsa_key("one")), EC_KEY]
    assert await verified(issuer, issuer.token()) == Caller("oidc:alice")
    issuer.keys.append(SigningKey("two", "RS256", rsa_key("two")))
    assert "no such key" in await refused(issuer, issuer.token())


@pytest.mark.parametrize(
    ("scope", "claim", "expected"),
    [
        ("livecue:read livecue:ingest openid", "scope", {Scope.READ, Scope.INGEST}),
        (["livecue:read", 7, ["livecue:admin"]], "scope", {Scope.READ}),
        ("livecue:administrator LIVECUE:ADMIN", "scope", set()),
        ({"livecue:admin": True}, "scope", set()),
        (None, "scope", set()),
        (True, "scope", set()),
    ],
)
async def test_only_the_values_of_the_settings_grant_a_scope(
    issuer: Issuer, scope: object, claim: str, expected: set[Scope]
) -> None:
    assert (await verified(issuer, issuer.token_of({claim: scope}))).scopes == expected


async def test_scopes_may_be_roles_in_an_object_and_names_any_claim(issuer: Issuer) -> None:
    settings = replace(
        SETTINGS,
        scope_claim="realm_access.roles",
        scope_values=("captioner=ingest", "captioner=delete", "a=b=read"),
        name_claim="azp",
    )
    token = issuer.token(realm_access={"roles": ["captioner", "a=b"]}, azp="studio", sub=None)
    caller = await verified(issuer, token, settings)
    assert caller == Caller("oidc:studio")
    assert caller.scopes == {Scope.INGEST, Scope.DELETE, Scope.READ}
    assert (await verified(issuer, issuer.token(realm_access="captioner", azp="studio"), settings)).scopes == set()
    dotted = replace(SETTINGS, scope_claim="https://example.com/roles", scope_values=("x=admin",))
    token = issuer.token_of({"https://example.com/roles": ["x"]})
    assert (await verified(issuer, token, dotted)).scopes == {Scope.ADMIN}


@pytest.mark.parametrize("audience", [[AUDIENCE], ["other", AUDIENCE]])
async def test_a_token_may_be_for_several_audiences(issuer: Issuer, audience: list[str]) -> None:
    assert await verified(issuer, issuer.token(aud=audience)) == Caller("oidc:alice")


async def test_clocks_may_differ_by_the_leeway_and_no_more(issuer: Issuer) -> None:
    now_s = int(time.time())
    settings = replace(SETTINGS, leeway_s=60.0)
    for claims in ({"exp": now_s - 30}, {"nbf": now_s + 30}, {"iat": now_s + 30}):
        assert await verified(issuer, issuer.token_of(claims), settings) == Caller("oidc:alice")
    assert "expired" in await refused(issuer, issuer.token(exp=now_s - 90), settings)
    assert "not yet valid" in await refused(issuer, issuer.token(nbf=now_s + 90), settings)
    assert "not yet valid" in await refused(issuer, issuer.token(iat=now_s + 90), settings)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"exp": 1}, "expired"),
        ({"iss": None}, "iss"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": "https://login.example.com.evil.example.com"}, "issuer"),
        ({"aud": None}, "aud"),
        ({"aud": "another"}, "[Aa]udience"),
        ({"aud": []}, "aud"),
        ({"sub": None}, "claim sub must be text"),
        ({"sub": ""}, "claim sub must be text"),
        ({"sub": 7}, "claim sub must be text"),
        ({"sub": "a" * 256}, "claim sub must be text"),
        ({"sub": "alice\nevent=forged"}, "claim sub must be text"),
    ],
)
async def test_a_token_without_a_valid_claim_is_refused(
    issuer: Issuer, claims: dict[str, object], message: str
) -> None:
    with pytest.raises(Unauthorized, match=message):
        await verified(issuer, issuer.token_of(claims))


async def test_an_expiry_beyond_all_bounds_is_no_error(issuer: Issuer) -> None:
    assert (await verified(issuer, issuer.token(exp=10**400))).expires_s == float(1 << 40)


async def test_a_key_of_somebody_else_is_refused_under_a_known_and_an_unknown_id(issuer: Issuer) -> None:
    assert "Signature" in await refused(issuer, issuer.token(STRANGER))
    assert "its issuer has no such key" in await refused(issuer, issuer.token(replace(STRANGER, kid="two")))


async def test_a_changed_token_is_refused(issuer: Issuer) -> None:
    head, body, signature = issuer.token().split(".")
    forged = json.dumps({"iss": ISSUER, "aud": AUDIENCE, "sub": "root", "exp": 2**33}).encode()
    assert "Signature" in await refused(issuer, f"{head}.{b64(forged)}.{signature}")
    await refused(issuer, f"{head}.{body}.{b64(b'x' * 256)}")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS256", "HS512", "RS512", "ES256K", "", None, 5])
async def test_an_algorithm_that_is_not_allowed_is_refused_before_any_key_is_used(
    issuer: Issuer, algorithm: object
) -> None:
    head = b64(json.dumps({"alg": algorithm, "kid": "one", "typ": "JWT"}).encode())
    body = issuer.token().split(".")[1]
    issuer.is_down = True
    assert "must be by one of RS256, PS256, ES256, EdDSA" in await refused(issuer, f"{head}.{body}.{b64(b'x')}")
    await refused(issuer, f"{head}.{body}.")


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
async def test_a_public_key_is_no_hmac_secret(issuer: Issuer, encoding: Encoding) -> None:
    """The classic confusion: the token says HS256, and the verifier would take the public key for the secret."""
    public = rsa_key("one").public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    head = b64(json.dumps({"alg": "HS256", "kid": "one"}).encode())
    signed = f"{head}.{issuer.token().split('.')[1]}"
    signature = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    assert "must be by one of" in await refused(issuer, f"{signed}.{b64(signature)}")


async def test_a_symmetric_key_in_the_set_verifies_nothing(issuer: Issuer) -> None:
    issuer.more.append({"kty": "oct", "kid": "shared", "k": b64(b"s" * 32), "alg": "HS256"})
    head = b64(json.dumps({"alg": "HS256", "kid": "shared"}).encode())
    signed = f"{head}.{issuer.token().split('.')[1]}"
    signature = hmac.new(b"s" * 32, signed.encode(), hashlib.sha256).digest()
    assert "must be by one of" in await refused(issuer, f"{signed}.{b64(signature)}")


async def test_a_key_is_used_only_for_the_algorithm_and_the_use_that_it_was_published_for(issuer: Issuer) -> None:
    key = issuer.keys[0]
    issuer.keys = [replace(key, more={"alg": "PS256"}), EC_KEY]
    assert "no such key" in await refused(issuer, issuer.token(key))
    for more in ({"use": "enc"}, {"key_ops": ["encrypt"]}):
        issuer.keys = [replace(key, more=more), EC_KEY]
        assert "no such key" in await refused(issuer, issuer.token(key))


async def test_a_token_of_one_family_is_not_verified_with_a_key_of_another(issuer: Issuer) -> None:
    issuer.keys = [replace(EC_KEY, kid="one"), ED_KEY]
    assert "no such key" in await refused(issuer, issuer.token(SigningKey("one", "RS256", rsa_key("one"))))


async def test_a_key_that_the_token_brings_along_is_ignored(issuer: Issuer) -> None:
    headers = {"jwk": STRANGER.jwk, "jku": "http://127.0.0.1:1/jwks", "x5u": "http://127.0.0.1:1/"}
    assert "Signature" in await refused(issuer, issuer.token(STRANGER, headers))


async def test_a_critical_header_that_is_not_known_is_refused(issuer: Issuer) -> None:
    await refused(issuer, issuer.token(headers={"crit": ["exp"], "exp": 1}))


@pytest.mark.parametrize("token", ["a.b.c", "e30.e30.e30", "W10.e30.e30", "e30.e30.", f"{b64(b'[' * 3_000)}.e30.e30"])
async def test_what_only_looks_like_a_token_is_refused(issuer: Issuer, token: str) -> None:
    with pytest.raises(Unauthorized):
        await verified(issuer, token)


def test_only_three_parts_in_base64url_look_like_a_token(issuer: Issuer) -> None:
    tokens = verifier(issuer)
    assert tokens.is_token(issuer.token())
    assert tokens.is_token("e30.e30.")
    for other in ("lc_key", "a.b", "a.b.c.d", "a.b.c=", "a.b.c ", "..", "first.second key.third"):
        assert not tokens.is_token(other)


# --- the keys of the issuer -----------------------------------------------------------------------------------------


async def test_a_provider_that_is_down_at_the_start_makes_tokens_unavailable_not_unauthorized(issuer: Issuer) -> None:
    issuer.is_down = True
    with pytest.raises(Unavailable, match="cannot be fetched at the moment"):
        await verified(issuer, issuer.token())


async def test_a_provider_that_goes_down_later_changes_nothing(issuer: Issuer) -> None:
    tokens = verifier(issuer)
    await tokens.verify(issuer.token(), None)
    issuer.is_down = True
    assert await tokens.verify(issuer.token(), None) == Caller("oidc:alice")
    with pytest.raises(Unauthorized, match="no such key"):
        await tokens.verify(issuer.token(replace(STRANGER, kid="two")), None)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"<html>", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no JWK set"),
        (b'{"keys": {}}', "no JWK set"),
        (b'{"keys": []}', "no public key for signatures by RS256"),
        (b'{"keys": [7, {}, {"kty": "RSA"}, {"kty": "EC", "crv": "P-256"}, {"kty": ["RSA"]}]}', "no public key"),
    ],
)
def test_a_document_without_a_usable_key_is_refused_as_a_whole(document: bytes, message: str) -> None:
    with pytest.raises(JwksUnavailable, match=message):
        parse_jwks(document, SETTINGS.algorithms)


def test_keys_that_cannot_be_used_are_skipped() -> None:
    short = SigningKey("short", "RS256", rsa_key("short", 1_024))
    private = SigningKey("private", "RS256", rsa_key("one"), {"d": "AQAB"})
    number = SigningKey("number", "RS256", rsa_key("one"), {"kid": 7})
    broken = SigningKey("broken", "RS256", rsa_key("one"), {"n": "!"})
    parsed = parse_jwks(Issuer([EC_KEY, short, private, number, broken]).jwks, SETTINGS.algorithms)
    assert set(parsed.keys) == {("ec", "ES256")}


def test_of_two_keys_with_one_id_the_one_for_the_algorithm_is_used(issuer: Issuer) -> None:
    issuer.keys = [replace(EC_KEY, kid="one"), SigningKey("one", "RS256", rsa_key("one"))]
    parsed = parse_jwks(issuer.jwks, SETTINGS.algorithms)
    assert parsed.find("one", "RS256") is not parsed.find("one", "ES256")
    assert parsed.find("one", "EdDSA") is None


# --- while a session lasts ------------------------------------------------------------------------------------------


def test_a_session_outlives_its_token_unless_the_settings_end_it(issuer: Issuer) -> None:
    caller = Caller("oidc:alice", expires_s=100.0)
    verifier(issuer, wall_s=1_000.0).check_live(caller)
    ending = replace(SETTINGS, end_sessions=True)
    verifier(issuer, ending, wall_s=129.9).check_live(caller)
    verifier(issuer, ending, wall_s=1_000.0).check_live(Caller("studio"))
    with pytest.raises(Unauthorized, match="the token of this session has expired"):
        verifier(issuer, ending, wall_s=130.0).check_live(caller)
