"""The routes: transcriptions, translations, models."""

import time

from fastapi import APIRouter, Depends, Security
from pydantic import BaseModel

from decoder.types import Task
from gateway.errors import NotFound
from gateway.http.openai.transcription_response import TranscriptionResponse
from gateway.http.openapi import ERRORS, OPEN, TRANSCRIPTION_FORM, TRANSCRIPTS, TRANSLATION_FORM
from gateway.http.security import API_KEY, require_scope
from gateway.runtime import Gateway

__all__ = ["rest_router"]

_ALIASES = ("whisper-1",)
"""Names that clients request by default."""

_MAX_MODEL_CHARS = 100
"""Of a model's name, in an error message."""


class Model(BaseModel):
    """A model that may be requested."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "livecue"


class ModelList(BaseModel):
    """All models."""

    object: str = "list"
    data: list[Model]


def rest_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a running gateway."""
    router = APIRouter(
        prefix="/v1",
        tags=["transcription API"],
        dependencies=[Security(API_KEY)],
    )
    created_s = int(time.time())
    names = dict.fromkeys((gateway.sessions.engine.model, *_ALIASES))

    @router.post("/audio/transcriptions", responses=TRANSCRIPTS | ERRORS, openapi_extra=TRANSCRIPTION_FORM)
    async def create_transcription() -> TranscriptionResponse:
        """Transcribe a file."""
        return TranscriptionResponse(gateway, Task.TRANSCRIBE)

    @router.post("/audio/translations", responses=TRANSCRIPTS | ERRORS, openapi_extra=TRANSLATION_FORM)
    async def create_translation() -> TranscriptionResponse:
        """Transcribe a file in English; refused where the model does not translate."""
        return TranscriptionResponse(gateway, Task.TRANSLATE)

    any_key = Depends(require_scope(gateway, None))

    @router.get("/models", responses=ERRORS, openapi_extra=OPEN, dependencies=[any_key])
    async def list_models() -> ModelList:
        """List the names of the gateway's only model, which is used for any other name too."""
        return ModelList(data=[Model(id=name, created=created_s) for name in names])

    @router.get("/models/{model_id:path}", responses=ERRORS, openapi_extra=OPEN, dependencies=[any_key])
    async def retrieve_model(model_id: str) -> Model:
        """Return one of the listed models."""
        if model_id not in names:
            name = model_id[:_MAX_MODEL_CHARS]
            raise NotFound(f"no model {name!r}: expected one of {', '.join(names)}", "model")
        return Model(id=model_id, created=created_s)

    return router
