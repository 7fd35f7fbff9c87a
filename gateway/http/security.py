"""The API key of a request: its description in OpenAPI, and the scope that a route needs."""

from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.security import HTTPBearer

from gateway.access.caller import Caller
from gateway.access.credentials import address_of
from gateway.access.scopes import Scope
from gateway.runtime import Gateway

__all__ = ["API_KEY", "require_scope"]

API_KEY = HTTPBearer(auto_error=False, scheme_name="API key", description="Required where the gateway has keys.")
"""Describes the key; the authenticator checks it."""


def require_scope(gateway: Gateway, scope: Scope | None) -> Callable[[Request], Awaitable[Caller]]:
    """Return a dependency that admits a request whose credentials have a scope, and returns its caller.

        @router.post("/admin/…", dependencies=[Security(API_KEY)])
        async def act(caller: Annotated[Caller, Depends(require_scope(gateway, Scope.ADMIN))]) -> …:

    It raises the errors of `Authenticator.admit`: 401 without valid credentials, 403 without the scope.

    Args:
        gateway: running.
        scope: None: any valid credentials.
    """

    async def admit(request: Request) -> Caller:
        return await gateway.authenticator.admit(request.headers.get("authorization"), address_of(request), scope=scope)

    return admit
