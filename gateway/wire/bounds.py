"""How long what clients write may be: one table for the messages of every dialect. PURE.

Where a dialect reads less than this, it says so itself, in words of its own; here is what is not even held.
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
    "MAX_TEXT_CHARS",
    "AudioBytes",
    "Id",
    "Name",
    "Names",
    "Number",
    "OpenObject",
    "Phrases",
    "Text",
    "Whole",
]

MAX_ID_CHARS = 512
"""What a client calls something, which is given back to it: OpenAI's limit of an event's."""

MAX_NAME_CHARS = 200
"""A language, a detector, a profile, a model: the longest of a model on the hub is 96."""

MAX_TEXT_CHARS = 100_000
"""A prompt, of which the engine reads about a hundredth."""

MAX_PHRASE_CHARS = 1_000
"""A word or sentence that may be said."""

MAX_PHRASES = 10_000
"""Vosk's clients send whole vocabularies."""

MAX_FIELDS = 1_000
"""Of an object whose fields are not known here."""

MAX_AUDIO_BYTES = 2**26
"""Of one message. `server.max_message_bytes` is the bound that counts, and may be set higher than its default."""

MAX_FLUSHES = 1_000
"""Outstanding in one session; so many are not even sent by who flushes after each word of half an hour."""

Id = Annotated[str, Meta(max_length=MAX_ID_CHARS)]
Name = Annotated[str, Meta(max_length=MAX_NAME_CHARS)]
Names = Annotated[tuple[Name, ...], Meta(max_length=1_000)]
Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
Phrases = Annotated[list[Annotated[str, Meta(max_length=MAX_PHRASE_CHARS)]], Meta(max_length=MAX_PHRASES)]
OpenObject = Annotated[dict[Name, object], Meta(max_length=MAX_FIELDS)]
AudioBytes = Annotated[bytes, Meta(max_length=MAX_AUDIO_BYTES)]
Whole = Annotated[int, Meta(ge=-(2**53), le=2**53)]
"""Numbers that all languages hold exactly: a float of 64 bits has 53 of them."""
Number = Annotated[float, Meta(ge=-(2.0**53), le=2.0**53)]
