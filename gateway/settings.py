"""The settings tree: command line > environment `LIVECUE_*` > TOML file > default.

Each package owns its own settings class; here they are put together. `LIVECUE_SESSION__IDLE_TIMEOUT_S=10` sets
`session.idle_timeout_s`; a TOML file has a table a group. Unknown keys are refused.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from decoder.languages import read_language
from decoder.settings import EngineSettings, GuardSettings, PlannerSettings, SchedulerSettings, StabiliserSettings
from gateway.access_settings import AuditSettings, OidcSettings
from gateway.errors import ConfigurationError
from gateway.journal_settings import JournalSettings
from gateway.limit_settings import LimitSettings
from gateway.sink_settings import SinkSettings
from vad.settings import SegmenterSettings

__all__ = [
    "FileSettings",
    "JournalSettings",
    "RealtimeSettings",
    "ServerSettings",
    "SessionSettings",
    "Settings",
    "SinkSettings",
    "StateSettings",
    "TelephonySettings",
    "UploadSettings",
    "load_settings",
]

_ENV_PREFIX = "LIVECUE_"

_SECRETS = ("key", "token", "password", "journal.url", "sinks.targets")
"""Settings with such names are not displayed."""

_CLIENTS_VARIABLES = frozenset({"LIVECUE_API_KEY"})
"""Variables of the client commands, which are not settings of the gateway."""

_Timeout = Annotated[float, Field(gt=0)]


def _split_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _check_languages(languages: tuple[str, ...]) -> tuple[str, ...]:
    for language in languages:
        read_language(language)
    return languages


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Settings of every session.

    Attributes:
        detector: name in `vad.detector.DETECTORS`. silero: misses the least speech at any level.
        cue_profile: name in `gateway.captions.cue_builder.PROFILES`.
        final_deadline_s: target latency of a final. 0.3 s: what voice agents allow beyond the endpoint wait.
        partial_deadline_s: target latency of a partial; after the default interval the next one is due.
        eager_finals: whether a final is decoded at the first short pause, so that it is ready when the pause turns
            out to be the end. Costs one decode for each pause that is not.
        max_partial_stretch: partials come at most this many times less often while the engine is behind.
        ack_interval_s: audio between two acks, in seconds.
        start_timeout_s: limit for the start message of a peer (OpenAI's clients wait as long).
        idle_timeout_s: limit for silence of a peer, which then counts as gone; clients send keepalives more often.
        unused_timeout_s: limit for the first message of a peer, also where its dialect allows longer idle times.
        send_timeout_s: a peer that reads nothing for so long counts as a slow reader.
        outbox_max_events: events queued for a slow reader. 1000: newer partials replace queued ones, so this is several
            minutes of speech.
        lag_shed_s: lag at which partials pause so that finals catch up: those of one session at its own lag, those of
            all at the upper quartile of lags, from which the further steps of the overload ladder follow. 4 s: as
            partials at their lowest rate would come later anyhow; decoding a final takes less on any usable machine.
        lag_limit_s: lag at which the session ends, since it will not catch up, and its queued audio has to be bounded.
            Twice the send-ahead window of clients. At a third of it, the overload ladder ends sessions.
        grace_s: how long a resumable session waits for its client to reconnect. A minute: a change of networks takes
            seconds, and the captions are of no use much later.
        languages: languages among which it is detected where a client chooses none; empty: all of the engine.
            In the environment separated by commas. A list of the expected ones avoids wrong detections in short
            utterances.
        chinese_script: how Mandarin is written where a client does not choose (`zh-Hant`, `zh-TW` …): simplified, as
            nine in ten readers do, traditional, or as the engine writes it. Whisper's script does not depend on the
            speaker: base writes speakers from Beijing in traditional characters, and mixes both in one sentence.
        max_waiting: detached sessions at once; one more ends the one that has waited longest. None: as many as may be
            connected, since all may be disconnected at once; fewer are refused. Each holds half a megabyte.
    """

    detector: str = "silero"
    cue_profile: str = "web"
    final_deadline_s: float = 0.3
    partial_deadline_s: float = 0.5
    eager_finals: bool = True
    max_partial_stretch: Annotated[float, Field(ge=1)] = 4.0
    ack_interval_s: float = 1.0
    start_timeout_s: _Timeout = 10.0
    idle_timeout_s: _Timeout = 60.0
    unused_timeout_s: _Timeout = 60.0
    send_timeout_s: _Timeout = 20.0
    outbox_max_events: Annotated[int, Field(ge=1)] = 1_000
    lag_shed_s: _Timeout = 4.0
    lag_limit_s: _Timeout = 90.0
    grace_s: _Timeout = 60.0
    max_waiting: Annotated[int, Field(ge=1)] | None = None
    languages: Annotated[tuple[str, ...], BeforeValidator(_split_commas), AfterValidator(_check_languages)] = ()
    chinese_script: Literal["simplified", "traditional", "engine"] = "simplified"


def _split_bucket_edges(group: object) -> object:
    # not at the field, since the decoder's settings do not depend on the environment
    if isinstance(group, dict) and "bucket_edges_s" in group:
        return {**group, "bucket_edges_s": _split_commas(group["bucket_edges_s"])}
    return group


def _parse_upstreams(group: object) -> object:
    return _parse_tables(group, "upstreams")


def _parse_targets(group: object) -> object:
    return _parse_tables(group, "targets")


def _parse_tables(group: object, key: str) -> object:
    """Parse a list of tables from an environment variable in JSON."""
    if isinstance(group, dict) and isinstance(group.get(key), str):
        try:
            return {**group, key: json.loads(group[key])}
        except ValueError as error:
            raise ValueError(f"{key}: expected a JSON list of objects: {error}") from error
    return group


_ApiKey = Annotated[SecretStr, Field(min_length=1)]
"""An empty key would admit callers without one."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the gateway listens, and which callers it admits.

    Attributes:
        host: address to bind.
        port: 0 takes a free one.
        api_keys: keys of callers; empty: anyone may connect, on loopback only. In the environment separated by commas.
        allowed_origins: origins whose pages may open WebSockets and send forms, besides the gateway's own; `*`
            allows all.
        allowed_hosts: host names that the gateway accepts, besides addresses, names without a dot, its own and those
            of its public addresses; `*` allows all. While there are keys and no such list, all are accepted.
        public_url: https://HOST[/PREFIX] under which others reach the gateway, for shared links; None: the address by
            which the page was opened, or this machine's in its network.
        insecure: serve on any address without keys.
        tls_cert: PEM file of a certificate and its chain; None: HTTP and WebSockets are not encrypted.
        tls_key: PEM file of its private key, without a password; None: in `tls_cert`. SIGHUP reloads both.
        wyoming: listening address for Home Assistant, tcp://HOST:PORT; None: off. That protocol has no keys.
        max_sessions: sessions at once; one more is refused with 503. 200: about half of what one core's gateway work
            allows (`benchmarks/gateway.py`); how many the engine keeps up with depends on its model.
        max_viewers: viewers of all sessions at once; one more is refused with 503. 1000: each costs a connection and
            its unread events, and shares the event loop with the sessions.
        max_message_bytes: largest WebSocket message. 1 MiB is 33 s of 16 kHz in 16 bits, 2.7 s of stereo
            floats at 48 kHz, and websockets' own default.
        log_level: of the stdlib's logging.
        log_format: text, or json: an object a line, with the session's id.
        traces: whether traces of the sessions are exported by OpenTelemetry, which `OTEL_*` variables configure.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    api_keys: Annotated[tuple[_ApiKey, ...], BeforeValidator(_split_commas)] = ()
    allowed_origins: Annotated[tuple[str, ...], BeforeValidator(_split_commas)] = ()
    public_url: Annotated[str, Field(pattern=r"^https?://[^/?#]+")] | None = None
    allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(_split_commas)] = ()
    insecure: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    wyoming: str | None = None
    max_sessions: Annotated[int, Field(ge=1)] = 200
    max_viewers: Annotated[int, Field(ge=0)] = 1_000
    max_message_bytes: Annotated[int, Field(ge=1024)] = 2**20
    log_level: str = "info"
    log_format: Literal["text", "json"] = "text"
    traces: bool = False

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins whose pages are allowed, besides the gateway's own."""
        public = () if self.public_url is None else ("/".join(self.public_url.split("/", 3)[:3]),)
        return self.allowed_origins + public


@dataclass(frozen=True, slots=True)
class FileSettings:
    """Settings of file transcription.

    Attributes:
        max_files: files in progress at once; one more is refused with 503. 8: each holds its upload on disk, a decoder
            process, and the audio of its utterances outstanding in memory.
        max_outstanding: outstanding utterances of one file. 32: one batch of 16 is decoded while
            the next waits, and of the longest utterances they are 51 MB.
    """

    max_files: Annotated[int, Field(ge=1)] = 8
    max_outstanding: Annotated[int, Field(ge=1)] = 32


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """Limits of uploads and of their decoding.

    Attributes:
        max_body_bytes: largest request: 25 MiB, the limit of OpenAI's API.
        max_field_bytes: all fields except the file, in all. 1 MiB: Starlette's limit for a single one.
        max_fields: parts of a form. 1000: Starlette's own limit.
        max_header_bytes: one header line of a part. 4 KiB: file names have at most 255 bytes.
        receive_timeout_s: limit for receiving the whole request. The largest one takes 210 s at 1 Mbit/s.
        max_duration_s: longest audio of one file. Four hours: as FLAC, 276 hours of silence fit into 25 MiB.
        decode_wait_s: total time to wait for the decoder, without the time that decoded audio is queued. Four hours of
            Opus take 30 s of a core.
        decode_cpu_s: CPU time of the decoder, which also applies while its audio is queued.
        decode_memory_bytes: address space of the decoder. The libraries take 140 MiB, 25 MiB of MP3, MP4, Ogg or FLAC
            at most 10 more.
    """

    max_body_bytes: Annotated[int, Field(ge=1)] = 26_214_400
    max_field_bytes: Annotated[int, Field(ge=1)] = 2**20
    max_fields: Annotated[int, Field(ge=1)] = 1_000
    max_header_bytes: Annotated[int, Field(ge=256)] = 4_096
    receive_timeout_s: _Timeout = 300.0
    max_duration_s: Annotated[float, Field(gt=0)] = 4 * 3_600.0
    decode_wait_s: _Timeout = 300.0
    decode_cpu_s: Annotated[int, Field(ge=1)] = 300
    decode_memory_bytes: Annotated[int, Field(ge=2**28)] = 2**29


@dataclass(frozen=True, slots=True)
class StateSettings:
    """Settings of the state that outlives a restart.

    Attributes:
        database: SQLite file; None: `livecue/state.db` in the user's data directory. It is created with the first key.
        write_interval_s: interval at which usage is written, and changed keys are read. A crash loses at most this much
            usage. 1 s: soon enough for revoked keys; a read without changes takes 0.1 ms.
    """

    database: Path | None = None
    write_interval_s: Annotated[float, Field(gt=0, le=2)] = 1.0


@dataclass(frozen=True, slots=True)
class RealtimeSettings:
    """Settings of OpenAI's Realtime API.

    Attributes:
        idle_timeout_s: limit for silence of a peer. 15 minutes: agents keep idle connections for ten minutes to reuse
            them.
        inband_auth_errors: whether to report a wrong key in the open connection, as OpenAI does and pages can read,
            instead of by HTTP 401.
    """

    idle_timeout_s: _Timeout = 900.0
    inband_auth_errors: bool = False


@dataclass(frozen=True, slots=True)
class TelephonySettings:
    """Settings of telephony services.

    Attributes:
        twilio_auth_token: of the Twilio account; its calls are authenticated by their signature, without an API key.
        public_url: `wss://HOST[/PREFIX]`, of the gateway as configured at Twilio; None: from the Host header.
    """

    twilio_auth_token: Annotated[SecretStr, Field(min_length=1)] | None = None
    public_url: Annotated[str, Field(pattern=r"^wss?://[^/?#]+")] | None = None


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=_ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=False,
        hide_input_in_errors=True,  # it may be an API key, which a traceback would contain
    )

    server: ServerSettings = ServerSettings()
    session: SessionSettings = SessionSettings()
    engine: Annotated[EngineSettings, BeforeValidator(_parse_upstreams)] = EngineSettings()
    planner: Annotated[PlannerSettings, BeforeValidator(_split_bucket_edges)] = PlannerSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    stabiliser: StabiliserSettings = StabiliserSettings()
    guard: GuardSettings = GuardSettings()
    segmenter: SegmenterSettings = SegmenterSettings()
    files: FileSettings = FileSettings()
    uploads: UploadSettings = UploadSettings()
    state: StateSettings = StateSettings()
    journal: JournalSettings = JournalSettings()
    realtime: RealtimeSettings = RealtimeSettings()
    telephony: TelephonySettings = TelephonySettings()
    limits: LimitSettings = LimitSettings()
    oidc: OidcSettings = OidcSettings()
    audit: AuditSettings = AuditSettings()
    sinks: Annotated[SinkSettings, BeforeValidator(_parse_targets)] = SinkSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(overrides: Mapping[str, Mapping[str, object]] | None = None, file: Path | None = None) -> Settings:
    """Read all sources.

    Args:
        overrides: group → key → value, as given on the command line.
        file: a TOML file.

    Raises:
        ConfigurationError: a key is unknown or a value not allowed; the message has key, value and what is allowed.
    """
    _refuse_unknown_environment(os.environ)
    if file is not None and not file.is_file():
        raise ConfigurationError(f"config {file}: no such file")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        settings = FromFile(**(overrides or {}))  # type: ignore[arg-type]  # pydantic turns mappings into the classes
    except ValidationError as error:
        raise ConfigurationError("\n".join(_explain(e["loc"], e["input"], e["msg"]) for e in error.errors())) from error
    except (SettingsError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"config {file or _ENV_PREFIX + '*'}: {error}") from error
    if (missing := settings.oidc.missing) is not None:
        raise ConfigurationError(
            f"{missing} is not set: oidc.jwks_url needs it, or tokens for others would be accepted"
        )
    waiting, sessions = settings.session.max_waiting, settings.server.max_sessions
    if waiting is not None and waiting < sessions:
        raise ConfigurationError(
            f"session.max_waiting = {waiting}: expected at least server.max_sessions = {sessions}, since a network "
            "failure disconnects all sessions at once"
        )
    return settings


def _groups() -> dict[str, tuple[str, ...]]:
    """Return all settings: group → keys."""
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    return {name: tuple(field.name for field in fields(default)) for name, default in defaults.items()}


def _refuse_unknown_environment(environment: Mapping[str, str]) -> None:
    for variable in environment:
        if variable.upper().startswith(_ENV_PREFIX) and variable.upper() not in _CLIENTS_VARIABLES:
            group = variable[len(_ENV_PREFIX) :].lower().partition("__")[0]
            if group not in _groups():
                allowed = ", ".join(f"{_ENV_PREFIX}{name.upper()}__…" for name in _groups())
                raise ConfigurationError(f"{variable}: no such setting; groups are {allowed}")


def _explain(location: tuple[int | str, ...], value: object, message: str) -> str:
    key = ".".join(str(part) for part in location)
    groups = _groups()
    group = str(location[0]) if location else ""
    if group not in groups:
        return f"{key}: no such group; groups are {', '.join(groups)}"
    if len(location) > 1 and location[1] not in groups[group]:
        return f"{key}: no such setting; {group} has {', '.join(groups[group])}"
    # a whole group may contain API keys
    given = (
        "" if len(location) < 2 or isinstance(value, dict) or any(word in key for word in _SECRETS) else f" = {value!r}"
    )
    return f"{key}{given}: {message.removeprefix('Value error, ')}"
