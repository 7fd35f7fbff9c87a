"""Records in the audit log of what a user does on the command line."""

import getpass
import time
from collections.abc import Callable

from gateway.access.audit_file import AuditFile
from gateway.access.audit_record import AuditEvent, audit_line
from gateway.access_settings import AuditSettings
from gateway.cli.running import notices
from gateway.errors import ConfigurationError

__all__ = ["Record", "open_audit"]

Record = Callable[..., None]
"""Called with an event, and with facts by keyword."""


def open_audit(settings: AuditSettings) -> Record:
    """Return what records an event of this user, once it has happened, in the file of the gateway.

    Where the log is required, a file that cannot be opened is an error before anything has happened; otherwise a
    warning follows.

    Raises:
        ConfigurationError: the log is required, and its file cannot be opened.
    """
    if settings.path is None:
        return lambda event, **facts: None
    file = AuditFile(settings.path)
    if settings.required:
        try:
            file.check()
        except OSError as error:
            raise ConfigurationError(f"audit.path = '{settings.path}': {error.strerror or error}") from error

    def record(event: AuditEvent, **facts: str) -> None:
        try:
            file.append([audit_line(event, time.time(), f"user:{_user()}", None, facts)])
        except OSError as error:
            message = f"livecue: not recorded in the audit log '{file.path}': {error.strerror or error}"
            notices.print(message, style="red", markup=False, soft_wrap=True)

    return record


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name; from Python 3.13 on an OSError
        return "unknown"
