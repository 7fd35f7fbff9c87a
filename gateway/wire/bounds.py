"""Upper bounds of the fields in client messages, one table for all dialects. PURE.

A message beyond these is refused while it is parsed. A dialect with a lower limit checks that itself.
"""

from typing import Annotated

from msgspec import Meta

__all__ = [
    "MAX_FIELDS",
    "MAX_FLUSHES",
    "MAX_ID_CHARS",
    "MAX_NAME_CHARS",
    "MAX_PHRASES",
    "MAX_PHRASE_CHARS",
    "MAX_SINKS",
    "MAX_TEXT_CHARS",
    "MAX_URL_CHARS",
    "AudioBytes",
    "Id",
    "Name",
    "Names",
    "Number",
    "OpenObject",
    "Phrases",
    "Text",
    "Url",
    "Whole",
]

MAX_ID_CHARS = 512
"""An id of the client's that is sent back to it; OpenAI's limit for event ids."""

MAX_NAME_CHARS = 200
"""A language, detector, profile or model; the longest model name on the hub has 96."""

MAX_TEXT_CHARS = 100_000
"""A prompt; the engine reads about a hundredth of it."""

MAX_PHRASE_CHARS = 1_000
"""A word or sentence to expect."""

MAX_PHRASES = 10_000
"""Vosk's clients send whole vocabularies."""

MAX_FIELDS = 1_000
"""In an object whose field names are not known in advance."""

MAX_AUDIO_BYTES = 2**26
"""In one message. The effective bound is `server.max_message_bytes`, which may be set above its default."""

MAX_FLUSHES = 1_000
"""Outstanding in one session; a client that flushes after each word for half an hour sends fewer."""

MAX_URL_CHARS = 4_096
"""The caption URLs of meetings carry signatures of some hundred characters."""

MAX_SINKS = 32
"""In one message; `sinks.max_per_session` is the effective limit."""

Id = Annotated[str, Meta(max_length=MAX_ID_CHARS)]
Name = Annotated[str, Meta(max_length=MAX_NAME_CHARS)]
Names = Annotated[tuple[Name, ...], Meta(max_length=1_000)]
Url = Annotated[str, Meta(max_length=MAX_URL_CHARS)]
Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
Phrases = Annotated[list[Annotated[str, Meta(max_length=MAX_PHRASE_CHARS)]], Meta(max_length=MAX_PHRASES)]
OpenObject = Annotated[dict[Name, object], Meta(max_length=MAX_FIELDS)]
AudioBytes = Annotated[bytes, Meta(max_length=MAX_AUDIO_BYTES)]
Whole = Annotated[int, Meta(ge=-(2**53), le=2**53)]
"""Integers that every language represents exactly: a 64-bit float has a significand of 53 bits."""
Number = Annotated[float, Meta(ge=-(2.0**53), le=2.0**53)]
