"""OpenAPI descriptions of forms and responses that the routes read and write without FastAPI. PURE."""

from pydantic import BaseModel

from gateway.http.openai.request_form import Granularity, ResponseFormat
from gateway.http.openai.response_formats import Transcription, VerboseTranscription

__all__ = ["ERRORS", "OPEN", "TRANSCRIPTION_FORM", "TRANSCRIPTS", "TRANSLATION_FORM"]

Schema = dict[str, object]


class ErrorDetails(BaseModel):
    """The details of an error.

    Attributes:
        code: of the error.
        message: what is wrong, and what is allowed.
        type: OpenAI's error type.
        param: the field with the error; null: no field.
        details: further values; null: none.
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
"""The key is optional where the gateway has no keys."""

_STATUSES = {
    400: "`validation_error`: a field is missing, or has a value that is not allowed",
    401: "`unauthorized`: an API key is required, and this one is missing or unknown",
    402: "`insufficient_credits`: the credit of this key is used up",
    404: "`not_found`: no such route, model or session",
    413: "`payload_too_large`: more bytes, or more audio, than the limit",
    415: "`unsupported_media`: not a form with a file, or a file without audio that can be decoded",
    429: "`rate_limited`: this key sends too many requests; `Retry-After` has the time until the next is allowed",
    500: "`internal_error`: the gateway failed",
    503: "`overloaded`: too many files at once; `Retry-After` has the time until a retry. Or an engine error",
}

ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": ErrorBody, "description": description} for status, description in _STATUSES.items()
} | {"default": {"model": ErrorBody, "description": "Any other error"}}
"""Responses of every route."""

TRANSCRIPTS: dict[int | str, dict[str, object]] = {
    200: {
        "model": Transcription | VerboseTranscription,
        "description": "The transcript, in the format of `response_format` and `stream`",
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
"""Not all English names: the schema does not list them."""

_COMMON: dict[str, Schema] = {
    "file": _text(
        "Audio or video in any common format, which is detected from its content, not from its name.", format="binary"
    ),
    "model": _text("Any name: the gateway has one model.", example="whisper-1"),
    "prompt": _text("Names and context that help the model; the last 1000 characters count."),
    "response_format": _text("Format of the transcript.", enum=list(ResponseFormat), default="json"),
    "track": {
        "type": "integer",
        "minimum": 1,
        "maximum": 999,
        "description": "Audio track of the file, counted from 1; default: the one that players choose.",
    },
    "temperature": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "default": 0,
        "description": "Above 0 the transcript is sampled at random.",
    },
    "stream": {
        "type": "boolean",
        "default": False,
        "description": "Send each utterance as soon as it is decoded, as server-sent events. With json and text only.",
    },
}

_TRANSCRIPTION: dict[str, Schema] = _COMMON | {
    "language": _text(
        "Language of the speech: a code, a tag or an English name; by default, or with auto, it is detected.",
        pattern=_LANGUAGE,
        example="en",
    ),
    "languages[]": _list(
        "Languages among which it is detected; a single one is used without detection.", pattern=_LANGUAGE
    ),
    "keywords[]": _list("Words that may occur; they are put before the prompt."),
    "timestamp_granularities[]": _list(
        "What has timestamps in verbose_json; default: segments. With other formats only segment.",
        enum=list(Granularity),
    ),
    "include[]": _list("With json only: log probabilities, one per word.", enum=["logprobs"]),
    "chunking_strategy": _text("Accepted; files are always divided at pauses.", enum=["auto"]),
}


def _form(properties: dict[str, Schema]) -> dict[str, object]:
    schema = {"type": "object", "required": ["file", "model"], "properties": properties}
    return OPEN | {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


TRANSCRIPTION_FORM = _form(_TRANSCRIPTION)
"""The form of a transcription, as OpenAPI has it."""

TRANSLATION_FORM = _form(_COMMON)
"""The form of a translation, as OpenAPI has it."""
