"""What every route does with a connection that it has accepted."""

import time
from collections.abc import Callable, Mapping
from functools import partial

from gateway.auth import Caller
from gateway.service import Gateway
from gateway.session import Session, Transport
from gateway.watching import Subject
from gateway.wire import Codec

__all__ = ["serve"]


async def serve(
    gateway: Gateway,
    transport: Transport,
    codec: Codec,
    dialect: str,
    caller: Caller,
    about: Callable[[], Mapping[str, str]] = dict,
) -> None:
    """Run a session to its end, on its caller's account, and let others watch it.

    Args:
        gateway: at work.
        transport: the open connection.
        codec: its dialect.
        dialect: the name of that.
        caller: who opened it.
        about: returns what else is known of the session, for those who look for one to watch.
    """
    context = gateway.sessions
    session = Session(transport, codec, context, partial(gateway.doorkeeper.charge, caller))
    with context.watching.show(session.session_id, Subject(dialect, caller.name, time.time(), about)):
        await session.run()
