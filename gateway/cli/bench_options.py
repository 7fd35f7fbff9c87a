"""What `livecue bench` is asked for: read, checked, and completed from the environment."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from gateway.errors import ConfigurationError

__all__ = ["BenchOptions", "api_key", "is_local", "read_counts", "read_duration", "read_options", "redacted"]

_UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0}

_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)")

_KEYS_OF_CLOUDS = {
    "openai.com": "OPENAI_API_KEY",
    "deepgram.com": "DEEPGRAM_API_KEY",
    "assemblyai.com": "ASSEMBLYAI_API_KEY",
}
"""Domain → environment variable. A vendor's key is sent to that vendor alone, whatever the dialect."""

_OWN_KEY = "LIVECUE_API_KEY"

_SECRET = re.compile(r"key|token|secret|password|authorization", re.IGNORECASE)

_MAX_STREAMS = 10_000


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """The options of one benchmark.

    Attributes:
        url: of the server.
        dialect: name of it, or `auto`.
        audio: folder or manifest of the test set.
        counts: loads, in streams, one after the other.
        seconds: audio of each stream; None: one recording.
        slo: conditions as given.
        finds_capacity: whether the most streams within the SLO are searched for.
        overload: streams of the overload over those at capacity; None: there is none.
        cut_every_s: audio between two cuts of the connection; None: it is not cut.
        measures_silence: whether audio without speech is played, too.
        frame_s: audio in a message.
        stagger_s: time over which the streams connect.
        name: of the server in reports; None: its dialect and host.
        model, language: asked of the server.
        terms: asked of the server.
        extra: parameters of the dialect.
        pid: of the server; None: its load is not measured.
    """

    url: str
    dialect: str
    audio: Path
    counts: tuple[int, ...] = (1,)
    seconds: float | None = None
    slo: tuple[str, ...] = ()
    finds_capacity: bool = False
    overload: float | None = None
    cut_every_s: float | None = None
    measures_silence: bool = False
    frame_s: float = 0.1
    stagger_s: float = 1.0
    name: str | None = None
    model: str | None = None
    language: str | None = None
    terms: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    pid: int | None = None

    def __post_init__(self) -> None:
        if self.finds_capacity and not self.slo:
            raise ConfigurationError("--find-capacity: expected at least one --slo, such as 'word_shown.p95<=1.5'")
        if self.overload is not None and not self.finds_capacity:
            raise ConfigurationError("--overload: expected --find-capacity, whose result it multiplies")
        if self.overload is not None and self.overload <= 1:
            raise ConfigurationError(f"--overload {self.overload:g}: expected a factor above 1")


def read_counts(text: str) -> tuple[int, ...]:
    """Return the loads of `1,2,4`.

    Raises:
        ConfigurationError: there is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    counts = tuple(int(part) for part in parts if part.isdecimal() and 1 <= int(part) <= _MAX_STREAMS)
    if len(counts) != len(parts):
        raise ConfigurationError(f"-n {text}: expected numbers of streams from 1 to {_MAX_STREAMS}, such as 1,2,4")
    return counts


def read_duration(option: str, text: str) -> float:
    """Return a duration in seconds, of `20`, `20s`, `500ms` or `2m`.

    Raises:
        ConfigurationError: it is none, or not above 0.
    """
    match = _DURATION.fullmatch(text.strip())
    seconds = 0.0 if match is None else float(match[1]) * _UNITS_S.get(match[2], 0.0)
    if seconds <= 0:
        raise ConfigurationError(f"{option} {text}: expected a time above 0, such as 20s or 2m")
    return seconds


def read_options(pairs: Sequence[str]) -> dict[str, str]:
    """Return the parameters of `NAME=VALUE` texts.

    Raises:
        ConfigurationError: one has no name or no `=`.
    """
    options = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise ConfigurationError(f"--option {pair}: expected NAME=VALUE")
        options[name] = value
    return options


def is_local(url: str) -> bool:
    """Return whether a server is on this machine or in a private network, where nobody charges for audio."""
    host = _host(url)
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal"))
    return address.is_loopback or address.is_private or address.is_link_local


def api_key(url: str, environment: Mapping[str, str]) -> str | None:
    """Return the key for a server; None: there is none."""
    host = _host(url)
    for domain, variable in _KEYS_OF_CLOUDS.items():
        if host == domain or host.endswith(f".{domain}"):
            return environment.get(variable)
    return environment.get(_OWN_KEY)


def redacted(command: Sequence[str]) -> list[str]:
    """Return a command line without what may be secret.

    That is: queries and passwords of URLs, and values of options that are named like keys.
    """
    return [_redacted(argument) for argument in command]


def _redacted(argument: str) -> str:
    if re.match(r"[a-z]+://", argument):
        parts = urlsplit(argument)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
    name, equals, _ = argument.partition("=")
    return f"{name}=…" if equals and _SECRET.search(name) else argument


def _host(url: str) -> str:
    return urlsplit(url if "://" in url else f"ws://{url}").hostname or ""
