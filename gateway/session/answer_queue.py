"""Queues the engine's answers to one session."""

from collections import deque

import anyio

from decoder.scheduler import Answer

__all__ = ["AnswerQueue"]


class AnswerQueue:
    """A queue of answers; it holds at most one for each outstanding request."""

    def __init__(self) -> None:
        self._answers: deque[Answer] = deque()
        self._has_answers = anyio.Event()

    def __len__(self) -> int:
        """Return the number of queued answers."""
        return len(self._answers)

    def put(self, answer: Answer) -> None:
        """Append an answer."""
        self._answers.append(answer)
        self._has_answers.set()

    async def get(self) -> Answer:
        """Return the oldest answer, waiting for one."""
        while not self._answers:
            self._has_answers = anyio.Event()
            await self._has_answers.wait()
        return self._answers.popleft()
