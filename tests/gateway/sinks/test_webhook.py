"""The webhook: signed requests that a receiver can verify, know again and refuse."""

import base64
import hashlib
import hmac
import json

import pytest

from gateway.errors import ConfigurationError
from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkRefused, SinkUnavailable, kind_of
from gateway.sinks.target import parse_target
from gateway.sinks.webhook import key_of
from gateway.wire import OfChannel
from tests.events import final
from tests.sinks import OPENED_S, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FACTS = SessionFacts("a", OPENED_S)


async def posted(url: str, delivery: Delivery, times: int = 1) -> None:
    target = parse_target("hook", f"{url}/captions#secret={SECRET}")
    async with kind_of("webhook").open(target, FACTS) as sink:
        for _ in range(times):
            await sink.send(delivery)


def delivery(channel: int | None = None) -> Delivery:
    event = final(7)
    return Delivery(event if channel is None else OfChannel(channel, event), Item.FINAL, 1, FACTS, OPENED_S + 1.25)


async def test_a_request_has_the_event_with_its_time_and_session() -> None:
    with receiving() as (url, received):
        await posted(url, delivery(channel=1))
    (request,) = received
    assert (request.method, request.path, request.query) == ("POST", "/captions", ""), "the secret stays here"
    assert request.headers["content-type"] == "application/json"
    body = json.loads(request.body)
    assert (body["type"], body["timestamp"], body["session_id"]) == ("caption.final", "2023-11-14T22:13:21.250Z", "a")
    assert (body["data"]["type"], body["data"]["seq"], body["data"]["channel"]) == ("final", 7, 1)


async def test_the_signature_is_that_of_the_standard_webhooks_specification() -> None:
    with receiving() as (url, received):
        await posted(url, delivery())
    (request,) = received
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"


async def test_an_event_that_is_sent_again_has_the_same_id_and_body() -> None:
    with receiving() as (url, received):
        await posted(url, delivery(), times=2)
    first, second = received
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert first.headers["webhook-id"] == "a.7"


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500])
async def test_every_failure_is_repeated(status: int) -> None:
    with receiving(lambda request: (status, b"")) as (url, _), pytest.raises(SinkUnavailable, match=f"status {status}"):
        await posted(url, delivery())


async def test_a_receiver_that_is_gone_wants_nothing_more() -> None:
    with receiving(lambda request: (410, b"")) as (url, _), pytest.raises(SinkRefused, match="410 Gone"):
        await posted(url, delivery())


@pytest.mark.parametrize("secret", ["", "#secret=short", "#secret=whsec_!!!", "#secret=" + "x" * 65])
def test_a_webhook_needs_a_secret(secret: str) -> None:
    with pytest.raises(ConfigurationError, match=r"sink hook: got a secret of .* expected #secret="):
        parse_target("hook", f"https://example.com/{secret}")


def test_a_text_is_a_secret_too() -> None:
    assert key_of(parse_target("hook", "https://example.com/#secret=correct horse battery")) == b"correct horse battery"
