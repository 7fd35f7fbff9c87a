"""The gateway's certificate, which is read again when it has been renewed."""

import logging
import ssl
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.settings import ServerSettings

__all__ = ["Certificate", "open_certificate"]

logger = logging.getLogger("livecue.server")


class Certificate:
    """A certificate with its key, as they are in their files.

    Args:
        cert: PEM file of the certificate, and of those above it but the root's.
        key: PEM file of its private key; None: it is in the same file.

    Raises:
        ConfigurationError: they cannot be read, or do not belong together.
    """

    def __init__(self, cert: Path, key: Path | None = None) -> None:
        self._cert = cert
        self._key = key
        self.context = _context()
        """With what connections are made."""
        self.reload()

    def reload(self) -> None:
        """Read the files again, for the connections that are made from now on.

        Raises:
            ConfigurationError: they cannot be read, or do not belong together; then all stays as it was.
        """
        self._load_into(_context())  # what fails half-way leaves a context without a key
        self._load_into(self.context)

    def reload_if_right(self) -> None:
        """Read the files again; where they are wrong, log it and leave all as it was."""
        try:
            self.reload()
        except ConfigurationError as error:
            logger.error("certificate not reloaded, the one before stays: %s", error)
        else:
            logger.info("certificate reloaded")

    def _load_into(self, context: ssl.SSLContext) -> None:
        given = f"server.tls_cert = {str(self._cert)!r}"
        if self._key is not None:
            given += f", server.tls_key = {str(self._key)!r}"
        try:
            for path in (self._cert, self._key or self._cert):
                path.open("rb").close()  # which of them cannot be read
            context.load_cert_chain(self._cert, self._key, _refuse_encrypted)
        except ssl.SSLError as error:
            reason = (
                "they do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else "no certificate and key"
            )
            raise ConfigurationError(f"{given}: {reason} in PEM format ({error.strerror})") from error
        except OSError as error:
            raise ConfigurationError(f"{given}: {error.filename}: {error.strerror}") from error
        except _EncryptedKey as error:
            raise ConfigurationError(f"{given}: the key is encrypted; allowed is one without a password") from error


def open_certificate(server: ServerSettings) -> Certificate | None:
    """Return the certificate that the settings name; None: they name none, and nothing is encrypted.

    Raises:
        ConfigurationError: there is a key without a certificate, or they cannot be read.
    """
    if server.tls_cert is None:
        if server.tls_key is not None:
            raise ConfigurationError("server.tls_key is set and server.tls_cert is not: a key needs its certificate")
        return None
    return Certificate(server.tls_cert, server.tls_key)


class _EncryptedKey(Exception):
    """There is nobody who could be asked for its password."""


def _refuse_encrypted() -> str:
    raise _EncryptedKey


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
