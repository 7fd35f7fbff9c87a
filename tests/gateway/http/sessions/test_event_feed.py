"""A viewer receives each event once and in order, whatever happens while its backlog is read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import anyio
import pytest

from gateway.delivery.broadcast import Broadcaster
from gateway.errors import Unavailable
from gateway.http.sessions.directory import SessionRecord
from gateway.http.sessions.event_feed import PAGE_ROWS, EventFeed, follow
from gateway.journal.journal import Journal, Opening
from gateway.journal.journal_file import JournalFile
from gateway.journal.sqlite_store import SqliteStore
from gateway.settings import JournalSettings
from gateway.sqlite import StateUnavailable
from gateway.wire import Ack, Flushed, OfChannel, ServerEvent, SpeechStarted, Warning
from tests.broadcasts import Publish, registered
from tests.events import final, final_cue, partial_cue, ready
from vad.errors import LivecueError


class Published:
    """A session that is recorded and viewed."""

    def __init__(self, journal: Journal, publish: Publish) -> None:
        self.publish = publish
        self._log = journal.open(Opening("a", "native", None, 0.0, {}), self, count(10_000).__next__)

    def __call__(self, *events: ServerEvent) -> None:
        for event in events:
            self._log.append(event)

    def close(self, error: LivecueError | None) -> None:
        raise AssertionError("it does not end")


class Interrupted(Journal):
    """A journal during whose reading something happens, or which cannot be read.

    Attributes:
        happens: called before and after each reading.
    """

    happens: Callable[[], None] | None = None

    async def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        if self.happens is not None:
            self.happens()
        rows = await super().events(session_id, after, limit)
        if self.happens is not None:
            self.happens()
        return rows


class Unreadable(Journal):
    """A journal that can be read so many times only."""

    reads = 0

    async def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        if not self.reads:
            raise StateUnavailable("it is damaged")
        self.reads -= 1
        return await super().events(session_id, after, limit)


def made(kind: type[Journal], folder: Path) -> Journal:
    return kind(SqliteStore(JournalFile(folder / "journal.db")), JournalSettings(), 60.0)


@contextmanager
def followed(watching: Broadcaster, journal: Journal | None, after: int = 0) -> Iterator[EventFeed]:
    registered = SessionRecord("a", watching.open_sessions()["a"], None, is_over=False)
    with follow(registered, journal, after) as story:
        yield story


async def sequence_numbers(story: EventFeed) -> list[int]:
    """Return the sequence numbers of all events."""
    numbers: list[int] = []
    while rows := await story.next():
        numbers += [seq for seq, _ in rows]
    return numbers


async def test_no_event_is_lost_or_sent_twice_while_the_journal_is_read(tmp_path: Path) -> None:
    journal, watching = made(Interrupted, tmp_path), Broadcaster()
    assert isinstance(journal, Interrupted)
    seqs = iter(range(PAGE_ROWS * 2 + 2, 10_000))
    with registered(watching) as publish:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.run)
            emit = Published(journal, publish)
            emit(ready(), *(final(seq, seq) for seq in range(2, PAGE_ROWS * 2 + 2)))
            await journal.find("a")

            def happens() -> None:  # warnings are published at once, finals when they are written
                emit(*(Warning(next(seqs), "odd", "odd") for _ in range(2)), final(seq := next(seqs), seq))

            journal.happens = happens
            with followed(watching, journal) as story:
                numbers: list[int] = []
                while len(numbers) < PAGE_ROWS * 2 + 1:
                    numbers += [seq for seq, _ in await story.next()]
                journal.happens = None
                emit(Warning(last := next(seqs), "last", "last"))
                while last not in numbers:
                    numbers += [seq for seq, _ in await story.next()]
            tasks.cancel_scope.cancel()
    assert numbers == list(range(1, last + 1))


@pytest.mark.parametrize("reads", [0, 1])
async def test_if_the_journal_becomes_unreadable_memory_takes_over(tmp_path: Path, reads: int) -> None:
    journal, watching = made(Unreadable, tmp_path), Broadcaster()
    assert isinstance(journal, Unreadable)
    journal.reads = reads
    with registered(watching) as publish:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.run)
            emit = Published(journal, publish)
            emit(ready(), *(final(seq, seq) for seq in range(2, PAGE_ROWS + 100)))
            await journal.find("a")
            await anyio.wait_all_tasks_blocked()
            with followed(watching, journal) as story:
                numbers: list[int] = []
                while len(numbers) < PAGE_ROWS + 99:
                    numbers += [seq for seq, _ in await story.next()]
            tasks.cancel_scope.cancel()
    assert numbers == list(range(1, PAGE_ROWS + 100))


async def test_a_session_that_is_not_live_and_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    with (
        follow(SessionRecord("a", None, None, is_over=True), made(Unreadable, tmp_path), 0) as story,
        pytest.raises(Unavailable),
    ):
        await story.next()


async def test_events_for_the_peer_only_are_not_sent_to_viewers(tmp_path: Path) -> None:
    journal, watching = made(Journal, tmp_path), Broadcaster()
    with registered(watching) as publish:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.run)
            emit = Published(journal, publish)
            emit(ready(), Ack(2, 100, 100), Flushed(3, "x"), OfChannel(1, SpeechStarted(4, 1, 0)), Ack(5, 200, 200))
            await journal.find("a")
            with followed(watching, journal, after=1) as story:
                ((seq, message),) = await story.next()
            tasks.cancel_scope.cancel()
    assert seq == 4
    assert '"channel":1' in message


async def test_a_viewer_of_a_session_that_has_just_ended_is_closed(tmp_path: Path) -> None:
    watching = Broadcaster()
    with registered(watching) as publish:
        publish(ready())
        watched = watching.open_sessions()["a"]
    with follow(SessionRecord("a", watched, None, is_over=False), None, 0) as story, anyio.fail_after(5):
        assert await sequence_numbers(story) == [1]


async def test_two_viewers_get_the_same_message_encoded_once() -> None:
    watching = Broadcaster()
    with registered(watching) as publish:
        publish(ready())
        with followed(watching, None, after=1) as first, followed(watching, None, after=1) as second:
            publish(partial_cue(2))
            ((_, one),), ((_, other),) = await first.next(), await second.next()
            publish(final_cue(3))
            ((_, newer),) = await first.next()
    assert one is other
    assert newer != one
