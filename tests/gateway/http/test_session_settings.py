"""Session settings of a route."""

from dataclasses import replace

from decoder.engines.scripted import ScriptedEngine
from gateway.http.session_settings import with_session_settings
from gateway.runtime import open_gateway
from gateway.settings import load_settings


async def test_a_route_replaces_session_settings_and_the_gateway_keeps_its_own() -> None:
    async with open_gateway(load_settings({}), ScriptedEngine()) as gateway:
        before = gateway.sessions.settings.session
        changed = with_session_settings(gateway, replace(before, idle_timeout_s=7.0))
        assert changed.sessions.settings.session == replace(before, idle_timeout_s=7.0)
        assert gateway.sessions.settings.session == before
        assert changed.sessions.live is gateway.sessions.live
        assert changed.sessions.scheduler is gateway.sessions.scheduler
