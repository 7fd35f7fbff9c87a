"""The gateway's TLS certificate, which can be reloaded after it is renewed."""

import logging
import ssl
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.settings import ServerSettings

__all__ = ["Certificate", "open_certificate"]

logger = logging.getLogger("livecue.server")


class Certificate:
    """A certificate and its key, from their files.

    Args:
        cert: PEM file of the certificate and its chain, without the root.
        key: PEM file of its private key; None: in the same file.

    Raises:
        ConfigurationError: they cannot be read, or do not match.
    """

    def __init__(self, cert: Path, key: Path | None = None) -> None:
        self._cert = cert
        self._key = key
        self.context = _context()
        """For new connections."""
        self.reload()

    def reload(self) -> None:
        """Read the files again, for connections from now on.

        Raises:
            ConfigurationError: they cannot be read, or do not match; the old certificate stays.
        """
        self._load_into(_context())  # a failure half-way leaves a context without a key
        self._load_into(self.context)

    def try_reload(self) -> None:
        """Read the files again; on an error, log it and keep the old certificate."""
        try:
            self.reload()
        except ConfigurationError as error:
            logger.error("certificate not reloaded, the old one stays: %s", error)
        else:
            logger.info("certificate reloaded")

    def _load_into(self, context: ssl.SSLContext) -> None:
        given = f"server.tls_cert = {str(self._cert)!r}"
        if self._key is not None:
            given += f", server.tls_key = {str(self._key)!r}"
        try:
            for path in (self._cert, self._key or self._cert):
                path.open("rb").close()  # names the file that cannot be read
            context.load_cert_chain(self._cert, self._key, _refuse_encrypted)
        except ssl.SSLError as error:
            reason = (
                "certificate and key do not match"
                if error.reason == "KEY_VALUES_MISMATCH"
                else "expected a certificate and its key in PEM format"
            )
            raise ConfigurationError(f"{given}: {reason} ({error.strerror})") from error
        except OSError as error:
            raise ConfigurationError(f"{given}: {error.filename}: {error.strerror}") from error
        except _EncryptedKey as error:
            raise ConfigurationError(f"{given}: the key is encrypted; expected one without a password") from error


def open_certificate(server: ServerSettings) -> Certificate | None:
    """Return the certificate of the settings; None: not set, and connections are not encrypted.

    Raises:
        ConfigurationError: a key is set without a certificate, or they cannot be read.
    """
    if server.tls_cert is None:
        if server.tls_key is not None:
            raise ConfigurationError("server.tls_key is set without server.tls_cert: expected both")
        return None
    return Certificate(server.tls_cert, server.tls_key)


class _EncryptedKey(Exception):
    """The key needs a password."""


def _refuse_encrypted() -> str:
    raise _EncryptedKey


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
