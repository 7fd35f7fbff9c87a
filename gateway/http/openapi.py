"""Describe forms and responses, which FastAPI cannot see, since the routes read and write them themselves. PURE."""

from pydantic import BaseModel

from gateway.http.openai.request_form import Granularity, ResponseFormat
from gateway.http.openai.response_formats import Transcription, VerboseTranscription

__all__ = ["ERRORS", "OPEN", "TRANSCRIPTION_FORM", "TRANSCRIPTS", "TRANSLATION_FORM"]

Schema = dict[str, object]


class ErrorDetails(BaseModel):
    """What an error says, to people and to programs.

    Attributes:
        code: which error it is.
        message: what was wrong, and what is allowed.
        type: OpenAI's name for the kind of error.
        param: the field that was wrong, if it was one.
        details: more for programs, if there is more.
    """

    code: str
    message: str
    type: str
    param: str | None
    details: dict[str, int] | None


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorDetails


OPEN: dict[str, object] = {"security": [{}]}
"""Beside the key: a gateway without keys takes none."""

_STATUSES = {
    400: "`validation_error`: a field is missing, or has a value that is not allowed",
    401: "`unauthorized`: there are API keys, and this is none of them",
    402: "`insufficient_credits`: the audio granted to this key is used up",
    404: "`not_found`: there is nothing by that name",
    413: "`payload_too_large`: more bytes, or more audio, than is taken at once",
    415: "`unsupported_media`: no form with a file, or no audio in it that can be decoded",
    429: "`rate_limited`: this key asks too often; `Retry-After` says when it may again",
    500: "`internal_error`: the gateway failed",
    503: "`overloaded`: too many files at once; `Retry-After` says when to ask again. Or an engine error",
}

ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": ErrorBody, "description": description} for status, description in _STATUSES.items()
} | {"default": {"model": ErrorBody, "description": "Any other error"}}
"""Responses of every route."""

TRANSCRIPTS: dict[int | str, dict[str, object]] = {
    200: {
        "model": Transcription | VerboseTranscription,
        "description": "The transcript, as `response_format` and `stream` want it",
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "application/x-subrip": {"schema": {"type": "string"}},
            "text/vtt": {"schema": {"type": "string"}},
            "text/event-stream": {"schema": {"type": "string"}},
        },
    }
}
"""The answer to an upload."""


def _text(description: str, **rules: object) -> Schema:
    return {"type": "string", "description": description, **rules}


def _list(description: str, **rules: object) -> Schema:
    return {"type": "array", "items": {"type": "string", **rules}, "description": description}


_LANGUAGE = "^([A-Za-z]{2,3}(-[A-Za-z]{2,4})?|auto|english)$"
"""Not every English name: a schema is no list of languages."""

_COMMON: dict[str, Schema] = {
    "file": _text(
        "Audio or video of any kind that is usual; what it is shows in its bytes and not in its name.", format="binary"
    ),
    "model": _text("Any name, or none: the gateway has one model.", example="whisper-1"),
    "prompt": _text("Names and context that help the model; the last 1000 characters count."),
    "response_format": _text("How the transcript is written.", enum=list(ResponseFormat), default="json"),
    "track": {
        "type": "integer",
        "minimum": 1,
        "maximum": 999,
        "description": "Which audio track of the file, counted from 1; without it the one that is played by default.",
    },
    "temperature": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "default": 0,
        "description": "Above 0 chance has a part in it.",
    },
    "stream": {
        "type": "boolean",
        "default": False,
        "description": "Send each utterance as soon as it is decoded, as server-sent events. Of json and text only.",
    },
}

_TRANSCRIPTION: dict[str, Schema] = _COMMON | {
    "language": _text(
        "What is spoken: a code, a tag or an English name; without it, or auto, it is detected.",
        pattern=_LANGUAGE,
        example="en",
    ),
    "languages[]": _list(
        "What may be spoken: it is detected among these; one alone is taken for granted.", pattern=_LANGUAGE
    ),
    "keywords[]": _list("Words that may be said; they are put before the prompt."),
    "timestamp_granularities[]": _list(
        "What has times in verbose_json; without it segments. With another format only segment.", enum=list(Granularity)
    ),
    "include[]": _list("With json only: log probabilities, one a word.", enum=["logprobs"]),
    "chunking_strategy": _text("Accepted; files are always cut at pauses.", enum=["auto"]),
}


def _form(properties: dict[str, Schema]) -> dict[str, object]:
    schema = {"type": "object", "required": ["file", "model"], "properties": properties}
    return OPEN | {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


TRANSCRIPTION_FORM = _form(_TRANSCRIPTION)
"""The form of a transcription, as OpenAPI has it."""

TRANSLATION_FORM = _form(_COMMON)
"""The form of a translation, as OpenAPI has it."""
