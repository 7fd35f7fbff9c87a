"""Session settings of a dialect's route in place of the gateway's."""

from dataclasses import replace

from gateway.runtime import Gateway
from gateway.settings import SessionSettings

__all__ = ["with_session_settings"]


def with_session_settings(gateway: Gateway, session: SessionSettings) -> Gateway:
    """Return the same gateway, whose new sessions have other settings; the gateway passed in stays as it is."""
    context = gateway.sessions
    return replace(gateway, sessions=replace(context, settings=replace(context.settings, session=session)))
