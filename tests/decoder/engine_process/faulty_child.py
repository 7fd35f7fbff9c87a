"""The process of an engine that does what the sessions of its requests are called."""

import os
import sys
import time
from collections.abc import Sequence

import anyio

from decoder.engine import ENGINES, EngineInfo
from decoder.engine_process.child import main
from decoder.engines.scripted import ScriptedEngine
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineBusy, EngineError, EngineFailed, Hypothesis, ModelError
from tests.requests import hypothesis

__all__ = ["FaultyEngine"]


class FaultyEngine(ScriptedEngine):
    """Fails as the session of the first request says, and at the start as its model does."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(max_batch=5, parallel=3)
        self._model = settings.model
        self._is_usable = True
        self._places = anyio.Semaphore(4)
        self.info = EngineInfo("faulty", "model", "cpu", ("en",), is_usable=lambda: self._is_usable)
        self._forgotten: list[str] = []

    async def warm_up(self) -> None:
        match self._model:
            case "missing":
                raise ModelError("no such model")
            case "broken":
                raise KeyError("a bug")
            case "dies":
                os._exit(9)
            case "once" if "STARTED_BEFORE" in os.environ:
                raise ModelError("no longer there")

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        match batch[0].session_id:
            case "dies":
                os._exit(7)
            case "raises":
                raise KeyError("a bug")
            case "refuses":
                raise EngineBusy("full")
            case "waits":
                async with self._places:
                    await anyio.sleep_forever()
            case "takes a place":
                async with self._places:
                    pass
            case "blocks":
                time.sleep(1000)  # noqa: ASYNC251 - a bug in native code, which lets nothing else run
            case "prints":
                print("printed")  # noqa: T201 - as libraries do
                print("complained", file=sys.stderr)  # noqa: T201
            case "unusable":
                self._is_usable = False
            case "forgotten":
                return [hypothesis(asked, " ".join(self._forgotten)) for asked in batch]
        self.work.decoder_steps += 1
        return [EngineFailed("not this") if asked.revision == 99 else hypothesis(asked, "words") for asked in batch]

    def forget(self, session_id: str) -> None:
        self._forgotten.append(session_id)

    async def aclose(self) -> None:
        if self._model == "stays":
            await anyio.sleep_forever()


if __name__ == "__main__":
    ENGINES["faulty"] = "tests.decoder.engine_process.faulty_child:FaultyEngine"
    main()
