"""The queue of the engine's answers to one session."""

import anyio
import numpy as np

from decoder.scheduler import Answer
from decoder.types import DecodeRequest, EngineFailed, RequestKind
from gateway.session.answer_queue import AnswerQueue


def answer(revision: int) -> Answer:
    request = DecodeRequest("a", 0, revision, RequestKind.PARTIAL, np.zeros(1, np.float32), 0, 0.0)
    return Answer(request, EngineFailed("the script fails"), 0.0, 0.0, 0.0)


async def test_answers_come_in_the_order_in_which_they_were_put() -> None:
    queue, answers = AnswerQueue(), [answer(n) for n in range(3)]
    for each in answers:
        queue.put(each)
    assert len(queue) == 3
    assert [await queue.get() for _ in answers] == answers
    assert len(queue) == 0


async def test_get_waits_for_the_next_answer() -> None:
    queue, late = AnswerQueue(), answer(1)
    received: list[Answer] = []

    async def get() -> None:
        received.append(await queue.get())

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(get)
            await anyio.wait_all_tasks_blocked()
            assert received == []
            queue.put(late)
    assert received == [late]
