"""The sink `webhook`: each event as a signed POST, by the Standard Webhooks specification.

At least once: whatever is not answered with 2xx is sent again, with the same id.
"""

import base64
import binascii
import hmac
import time
from datetime import UTC, datetime
from http import HTTPStatus

from gateway.errors import ConfigurationError
from gateway.journal.event_json import event_json
from gateway.sinks.http_client import HttpClient, check_http_url, over_http
from gateway.sinks.sink import Delivery, Item, SessionFacts, SinkKind, SinkRefused, SinkTarget

__all__ = ["WEBHOOK", "WebhookSink", "key_of", "signature"]

_PATIENCE_S = 3_600.0
"""A receiver that is deployed again, or a network that fails, is back by then; what waits must end some time."""

_PREFIX = "whsec_"
"""Of a secret in base64, by the specification."""

_MIN_KEY_BYTES, _MAX_KEY_BYTES = 16, 64
"""The specification asks for 24 to 64 bytes; texts that people choose may be a little shorter."""


class WebhookSink:
    """Sends the events of one session.

    Args:
        client: of HTTP.
        target: with the option `secret`.
        session: whose events it sends.
    """

    def __init__(self, client: HttpClient, target: SinkTarget, session: SessionFacts) -> None:
        self._client = client
        self._url = target.url
        self._key = key_of(target)
        self._session = session

    async def send(self, delivery: Delivery) -> None:
        """Post the event; every reply but 2xx, and 410, is followed by another attempt."""
        event_id = f"{self._session.session_id}.{delivery.seq}"
        body = _body(delivery)
        sent_s = str(int(time.time()))  # of the attempt: receivers refuse old ones, which may be replayed by others
        headers = {
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": sent_s,
            "webhook-signature": signature(self._key, event_id, sent_s, body),
        }
        reply = await self._client.request("POST", self._url, body, headers)
        if reply.status == HTTPStatus.GONE:  # by the specification, the receiver wants nothing more
            raise SinkRefused(reply.reason)
        if not reply.is_success:
            raise reply.unavailable()


def key_of(target: SinkTarget) -> bytes:
    """Return the key of a target's signatures.

    Raises:
        ConfigurationError: it has none, or one that is too short or too long.
    """
    secret = target.options.get("secret", "")
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX)) if secret.startswith(_PREFIX) else secret.encode()
    except binascii.Error:
        key = b""
    if not _MIN_KEY_BYTES <= len(key) <= _MAX_KEY_BYTES:
        raise ConfigurationError(
            f"sink {target.name}: got a secret of {len(key)} bytes: expected #secret=… with {_MIN_KEY_BYTES} to "
            f"{_MAX_KEY_BYTES} bytes, as text or as {_PREFIX} and base64"
        )
    return key


def signature(key: bytes, event_id: str, sent_s: str, body: bytes) -> str:
    """Return the header `webhook-signature`: v1 and the HMAC-SHA256 of id, time and body, in base64."""
    signed = b".".join((event_id.encode(), sent_s.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _body(delivery: Delivery) -> bytes:
    """Return the same bytes for each attempt: type, time of speech, session, and the native message."""
    spoken = datetime.fromtimestamp(delivery.spoken_at_s, UTC).isoformat(timespec="milliseconds")
    head = f'{{"type":"caption.{delivery.item}","timestamp":"{spoken.replace("+00:00", "Z")}",'
    return f'{head}"session_id":"{delivery.session.session_id}","data":{event_json(delivery.event)}}}'.encode()


def _check(target: SinkTarget) -> None:
    check_http_url(target)
    key_of(target)


WEBHOOK = SinkKind(
    over_http(WebhookSink),
    lambda target: frozenset({Item.READY, Item.FINAL, Item.CORRECTION, Item.FINISHED}),
    check=_check,
    options=frozenset({"secret"}),
    patience_s=_PATIENCE_S,
    is_for_clients=True,
)
