"""A session that moves from one gateway to the next while its client talks on."""

import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio import to_thread

from clients.connection import connect
from clients.paced_media import MEDIA_FORMAT, MediaFile
from clients.reconnect import Change
from clients.stream import Lost, stream
from gateway.wire import DrainBegun, Final, ServerEvent, Start
from tests.commands import serving_command

TALK = Path(__file__).parents[2] / "clients" / "demo" / "talk.flac"

_FRAMES, _MOVES_AT = 300, 190
"""Of 100 ms: 30 s of a talk, and the drain in the middle of the second utterance, at 19 s."""


class Talk:
    """A client that talks to the newest of some gateways, one after the other on the same data.

    Args:
        data: folder of what they keep.
        moves: whether the first gateway is drained and stopped in the middle.
    """

    def __init__(self, data: Path, *, moves: bool) -> None:
        self.finals: list[Final] = []
        self.changes: list[Change] = []
        self.drains: list[DrainBegun] = []
        self._data = data
        self._moves = moves
        self._processes = ExitStack()
        self._gateway = self._processes.enter_context(serving_command(data))
        self._has_final = anyio.Event()
        self._is_draining = anyio.Event()

    async def run(self) -> None:
        """Talk until the session has finished."""
        start = Start(MEDIA_FORMAT, resumable=True, partials=False)
        with self._processes:
            async with anyio.create_task_group() as tasks:
                lost = Lost(on_change=self.changes.append)
                await stream(lambda: connect(self._gateway.url), start, self._audio(tasks), self._take, lost)

    async def _audio(self, tasks: anyio.abc.TaskGroup) -> AsyncIterator[bytes]:
        with MediaFile(str(TALK)) as file:
            for number, frame in enumerate(islice(file.frames(), _FRAMES)):
                if number == _MOVES_AT and self._moves:
                    await self._has_final.wait()
                    tasks.start_soon(self._move)
                    await self._is_draining.wait()  # else the session may finish before
                yield frame

    async def _move(self) -> None:
        async with httpx2.AsyncClient() as http:
            answer = await http.post(f"{self._gateway.url}/admin/drain?wait=true", timeout=30)
        assert answer.status_code == 202
        assert answer.json() == {"status": "drained", "sessions": 0, "files": 0, "grace_s": 30.0}
        self._gateway.process.send_signal(signal.SIGTERM)
        assert await to_thread.run_sync(self._gateway.process.wait, 20) == 0
        self._gateway = await to_thread.run_sync(self._processes.enter_context, serving_command(self._data))

    def _take(self, event: ServerEvent) -> None:
        if isinstance(event, Final):
            self.finals.append(event)
            self._has_final.set()
        elif isinstance(event, DrainBegun):
            self.drains.append(event)
            self._is_draining.set()


@pytest.mark.slow  # it starts three processes
async def test_a_session_moves_to_the_next_process_and_neither_loses_nor_repeats_a_word(tmp_path: Path) -> None:
    stayed, moved = Talk(tmp_path / "one", moves=False), Talk(tmp_path / "two", moves=True)
    await stayed.run()
    await moved.run()
    assert stayed.finals
    assert [(final.utterance_id, final.text) for final in moved.finals] == [
        (final.utterance_id, final.text) for final in stayed.finals
    ]
    assert (stayed.changes, moved.changes) == ([], [Change.LOST, Change.RESTORED])
    assert [drain.can_resume for drain in moved.drains] == [True]
