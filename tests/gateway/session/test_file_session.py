"""A file as a session: its requests, the order of its passages, and the cleanup when its consumer stops."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

import anyio
import pytest

from decoder.engines.scripted import spoken_count
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, RequestKind, Task
from gateway.captions.cue_profiles import PROFILES
from gateway.errors import InsufficientCredits
from gateway.session.context import SessionContext
from gateway.session.file_session import FileSession, Passage
from gateway.wire import Start
from tests.sessions import open_context, settled, silence
from tests.uploading import GatedEngine, utterances

BLOCK_BYTES = 16_000


async def blocks(*pieces: bytes) -> AsyncIterator[bytes]:
    whole = b"".join(pieces)
    for start in range(0, len(whole), BLOCK_BYTES):
        yield whole[start : start + BLOCK_BYTES]


async def transcribe(context: SessionContext, audio: bytes) -> list[Passage]:
    return await all_of(FileSession(Start(), context, 4), blocks(audio))


async def all_of(session: FileSession, audio: AsyncIterator[bytes]) -> list[Passage]:
    async with aclosing(session.passages(audio)) as passages:
        return [passage async for passage in passages]


def texts(passages: Sequence[Passage]) -> list[str]:
    return [passage.final.text for passage in passages]


def failing(times: int) -> Callable[[DecodeRequest], Hypothesis | EngineError]:
    """Return a script that fails so often on the second utterance."""
    left = [times]

    def script(request: DecodeRequest) -> Hypothesis | EngineError:
        if request.utterance_id == 1 and left[0]:
            left[0] -= 1
            return EngineFailed("the script says so")
        return spoken_count(request)

    return script


async def test_each_utterance_is_requested_once_and_as_part_of_a_file() -> None:
    engine = GatedEngine()
    async with open_context(engine) as context:
        start = Start(language="en", prompt="Numbers", task=Task.TRANSLATE, temperature=0.5)
        session = FileSession(start, context, 4)
        passages = await all_of(session, blocks(utterances(2)))
    assert texts(passages) == ["two three four", "eight nine ten one"]
    assert session.audio_s == 5.0
    assert [request.kind for request in engine.asked] == [RequestKind.FILE] * 2
    for request in engine.asked:
        assert (request.task, request.temperature) == (Task.TRANSLATE, 0.5)
        assert (request.language, request.prompt) == ("en", "Numbers")


async def test_passages_have_words_of_the_same_text() -> None:
    async with open_context() as context:
        for passage in await transcribe(context, utterances(2)):
            assert passage.final.text == " ".join(word.text for word in passage.final.words)


async def test_the_cue_profile_is_that_of_the_settings() -> None:
    async with open_context() as context:
        assert FileSession(Start(), context, 4).cue_profile is PROFILES["web"]


async def test_a_file_leaves_two_lines_in_the_log_and_none_of_its_words(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "livecue.files")
    async with open_context() as context:
        await transcribe(context, utterances(2))
    opened, closed = (record.getMessage() for record in caplog.records if record.name == "livecue.files")
    assert opened.startswith("file opened session=file-")
    assert closed.endswith("outcome=finished audio_s=5.0 finals=2")


async def test_silence_has_no_passages() -> None:
    async with open_context() as context:
        assert await transcribe(context, silence(3.0)) == []
        assert await transcribe(context, b"") == []


@pytest.mark.parametrize("failures", [1, 2])
async def test_an_utterance_that_fails_is_decoded_again(failures: int) -> None:
    engine = GatedEngine(failing(failures))
    async with open_context(engine) as context:
        assert texts(await transcribe(context, utterances(3))) == [
            "two three four",
            "eight nine ten one",
            "four five six seven",
        ]
    assert sum(request.utterance_id == 1 for request in engine.asked) == failures + 1


async def test_an_utterance_that_fails_three_times_fails_the_file_with_its_position() -> None:
    engine = GatedEngine(failing(3))
    async with open_context(engine) as context:
        with pytest.raises(EngineFailed, match=r"the script says so \(the file's audio from 2\.7 to 4\.4 s\)"):
            await transcribe(context, utterances(3))
    assert len(engine.forgotten) == 1


async def test_no_more_audio_is_consumed_while_enough_utterances_are_pending() -> None:
    engine = GatedEngine()
    engine.gate = anyio.Event()
    taken = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        async for block in blocks(utterances(20)):
            taken += 1
            yield block

    passages: list[Passage] = []

    async def run(session: FileSession) -> None:
        passages.extend(await all_of(session, counted()))

    async with open_context(engine) as context, anyio.create_task_group() as tasks:
        tasks.start_soon(run, FileSession(Start(), context, 3))
        await settled()
        waiting, taken_while_waiting = context.scheduler.waiting + len(engine.asked), taken
        engine.gate.set()
    assert waiting == 3
    assert taken_while_waiting < 20
    assert len(passages) == 20


async def test_a_consumer_that_stops_cancels_its_requests() -> None:
    engine = GatedEngine()
    engine.gate = anyio.Event()
    async with open_context(engine) as context:
        session = FileSession(Start(), context, 8)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(all_of, session, blocks(utterances(8)))
            await settled()
            assert context.scheduler.waiting == 7
            tasks.cancel_scope.cancel()
        assert context.scheduler.waiting == 0
    assert engine.forgotten == [session.session_id]


async def test_passages_come_as_soon_as_they_are_decoded() -> None:
    async with open_context() as context:
        taken: list[bytes] = []

        async def counted() -> AsyncIterator[bytes]:
            async for block in blocks(utterances(4)):
                taken.append(block)
                yield block

        session = FileSession(Start(), context, 1)
        async with aclosing(session.passages(counted())) as passages:
            first = await anext(passages)
    assert first.final.text == "two three four"
    assert len(taken) < 10


async def test_audio_is_charged_before_it_is_processed_and_may_be_refused() -> None:
    charged: list[float] = []

    def charge(audio_s: float) -> None:
        if sum(charged) >= 1.0:
            raise InsufficientCredits("used up")
        charged.append(audio_s)

    engine = GatedEngine()
    async with open_context(engine) as context:
        session = FileSession(Start(), context, 4, charge)
        with pytest.raises(InsufficientCredits):
            await all_of(session, blocks(utterances(3)))
    assert charged == [0.5, 0.5]
    assert engine.forgotten == [session.session_id]
