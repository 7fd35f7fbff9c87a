"""The route for operators: `POST /admin/drain`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Security
from pydantic import BaseModel

from gateway.access.audit_record import AuditEvent
from gateway.access.caller import Caller
from gateway.access.origin import is_loopback
from gateway.access.scopes import Scope
from gateway.errors import Unauthorized
from gateway.http.openapi import ERRORS, OPEN
from gateway.http.security import API_KEY, require_scope
from gateway.runtime import Gateway
from gateway.shutdown import drain

__all__ = ["admin_router"]

_Wait = Annotated[bool, Query(description="Whether to answer once the drain is over, rather than at once.")]


class DrainState(BaseModel):
    """The state of the drain.

    Attributes:
        status: `draining`, or `drained` once nothing is left.
        sessions: open now.
        files: in progress now.
        grace_s: the longest that the drain takes, in seconds, apart from a few to close connections.
    """

    status: str
    sessions: int
    files: int
    grace_s: float


def admin_router(gateway: Gateway) -> APIRouter:
    """Return the operators' routes of a running gateway."""
    router = APIRouter(prefix="/admin", tags=["admin"])

    operator = Depends(require_scope(gateway, Scope.ADMIN))

    @router.post("/drain", status_code=202, responses=ERRORS, openapi_extra=OPEN, dependencies=[Security(API_KEY)])
    async def begin_drain(caller: Annotated[Caller, operator], wait: _Wait = False) -> DrainState:
        """Refuse new sessions and files, finish those in progress, and move resumable sessions; the process goes on.

        Repeating it changes nothing. SIGTERM stops the process, once the drain is over.
        """
        if gateway.authenticator.is_open and not is_loopback(caller.address or ""):
            raise Unauthorized("there are no keys: expected a request from this machine")
        gateway.audit.record(AuditEvent.GATEWAY_DRAINED, caller)
        context = gateway.sessions
        context.tasks.start_soon(drain, gateway)
        if wait:
            await context.drain.finished.wait()
        status = "drained" if context.drain.finished.is_set() else "draining"
        counts = gateway.admission.open, gateway.file_admission.open
        return DrainState(status=status, sessions=counts[0], files=counts[1], grace_s=gateway.settings.limits.drain_s)

    return router
