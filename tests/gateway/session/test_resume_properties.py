"""Whatever happens to a resumable session, its client receives the same events as an uncut one."""

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.session.context import SessionContext
from tests.gateway.session.test_resume import RATE_HZ, START, STOP, gateway, part, received_so_far, resume
from tests.sessions import Message, Peer, call, silence, speech

TALK = b"".join(silence(0.9 + 0.13 * n) + speech(0.6 + 0.3 * n) for n in range(5)) * 2 + silence(1.0)
"""Half a minute with ten utterances."""

WINDOW_S = 0.04
"""So much may a time differ where the windows of a restarted gateway do not lie where they lay: a flush moves those
after it, and a client that has forgotten too much lets the audio begin in the middle of one."""

Span = tuple[float, float]

Action = tuple[str, float]
"""What happens, and how much of it."""

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("speak"), st.floats(0.05, 6.0)),
        st.tuples(st.sampled_from(["flush", "lose", "resume", "kill", "cut a sample"]), st.just(0.0)),
        st.tuples(st.just("forget"), st.floats(0.0, 3.0)),
    ),
    max_size=14,
)


@dataclass
class Client:
    """Keeps the rules of docs/protocol.md, and checks that the gateway does.

    Attributes:
        recorded: sample frames recorded so far.
        held: first of them that can still be sent.
        flushes: their positions in the audio.
    """

    folder: Path
    stack: AsyncExitStack
    context: SessionContext
    peer: Peer | None = None
    ready: Message = field(default_factory=dict)
    recorded: int = 0
    held: int = 0
    seq: int = 0
    kills: int = 0
    messages: list[Message] = field(default_factory=list)
    flushes: list[tuple[int, str]] = field(default_factory=list)

    async def do(self, action: str, amount: float) -> None:
        match action:
            case "speak":
                begin, self.recorded = self.recorded, min(self.recorded + round(amount * RATE_HZ), len(TALK) // 2)
                if self.peer is not None:
                    await self.peer.send(TALK[begin * 2 : self.recorded * 2])
            case "flush":
                self.flushes.append((self.recorded, str(len(self.flushes))))
                if self.peer is not None:
                    await self.peer.send({"type": "flush", "id": self.flushes[-1][1]})
            case "cut a sample" if self.peer is not None and self.recorded * 2 < len(TALK):
                await self.peer.send(TALK[self.recorded * 2 : self.recorded * 2 + 1])
                await self.lose()
            case "lose":
                await self.lose()
            case "resume":
                await self.resume()
            case "kill":
                await self.kill()
            case "forget":
                self.held = max(self.held, self.recorded - round(amount * RATE_HZ))

    async def connect(self) -> Peer:
        """Open another connection, beside the one there may be."""
        return await self.stack.enter_async_context(call(self.context))

    async def start(self) -> None:
        self.peer = await self.connect()
        await self.peer.send(START)
        self.ready = await self.peer.receive()
        self.note([self.ready], 0)

    async def lose(self) -> None:
        """Lose the connection, with all that is under way on it."""
        if self.peer is not None:
            await part(self.peer)
            self.peer = None

    async def resume(self) -> None:
        before, self.peer = self.peer, await self.connect()
        if before is not None:
            self.note(await received_so_far(before), self.seq)
        await self.peer.send(resume(self.ready, self.seq, self.held))
        again = await self.peer.receive()
        assert (again["type"], again["seq"]) == ("ready", self.seq)
        if before is not None:
            *rest, last = await before.receive_all()
            assert last["code"] == "resumed_elsewhere"
            assert all(int(str(message["seq"])) <= int(str(last["seq"])) for message in rest)
        await self.send_from(int(str(again["next_sample"])))

    async def send_from(self, at: int) -> None:
        assert self.peer is not None
        assert self.held <= at <= max(self.recorded, self.held)
        for place, flush_id in self.flushes:
            if place >= at:
                await self.peer.send(TALK[at * 2 : place * 2], {"type": "flush", "id": flush_id})
                at = place
        await self.peer.send(TALK[at * 2 : self.recorded * 2])

    async def kill(self) -> None:
        """Go on with another gateway, which has what this one has written down by now."""
        if self.peer is not None:
            self.note(await received_so_far(self.peer), self.seq)
        assert self.context.journal is not None
        await self.context.journal.find("")  # all is written down, as after a second
        self.kills += 1
        left = self.folder / str(self.kills)
        copy_journal(self.folder / str(self.kills - 1), left)
        await self.lose()
        self.context = await self.stack.enter_async_context(gateway(left))

    async def stop(self) -> None:
        if self.peer is None:
            await self.resume()
        await self.do("speak", len(TALK))
        assert self.peer is not None
        await self.peer.send(STOP)
        self.note(await self.peer.receive_all(), self.seq)

    def note(self, messages: Sequence[Message], above: int) -> None:
        """Take what came over one connection; its numbers only grow."""
        for message in messages:
            seq = int(str(message["seq"]))
            assert seq > above, message
            self.seq = above = seq
        self.messages += messages


def copy_journal(source: Path, target: Path) -> None:
    """Copy what a gateway has written down, as a SIGKILL would leave it."""
    target.mkdir()
    with (
        closing(sqlite3.connect(source / "journal.db")) as database,
        closing(sqlite3.connect(target / "journal.db")) as copy,
    ):
        database.backup(copy)


def spans_of(messages: Sequence[Message], kind: str) -> list[Span]:
    found = (message for message in messages if message["type"] == kind)
    return [(float(str(message["start_s"])), float(str(message["end_s"]))) for message in found]


def words_of(messages: Sequence[Message]) -> list[tuple[object, object]]:
    return [(message["utterance_id"], message["text"]) for message in messages if message["type"] == "final"]


@lru_cache(maxsize=64)
def uncut(flushes: tuple[int, ...]) -> tuple[Message, ...]:
    """Return the messages over one connection."""
    return tuple(anyio.run(played, [*_actions_with(flushes)]).messages)


def _actions_with(flushes: tuple[int, ...]) -> list[Action]:
    actions: list[Action] = []
    at = 0
    for place in flushes:
        actions += [("speak", (place - at) / RATE_HZ), ("flush", 0.0)]
        at = place
    return actions


async def played(actions: Sequence[Action]) -> Client:
    """Return a client that all this has befallen, and then the end of the talk."""
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            client = Client(Path(folder), stack, await stack.enter_async_context(gateway(Path(folder) / "0")))
            await client.start()
            for action, amount in actions:
                await client.do(action, amount)
            await client.stop()
            assert len(client.context.live) == 0
            return client


def is_near(one: Span, other: Span) -> bool:
    return all(abs(a - b) <= WINDOW_S for a, b in zip(one, other, strict=True))


def touches(span: Span, gaps: Sequence[Span]) -> bool:
    """Return whether a gap is so near that it may have changed where an utterance begins or ends."""
    return any(start - 1.0 < span[1] and span[0] < end + 1.0 for start, end in gaps)


def missing(spans: Sequence[Span], others: Sequence[Span], gaps: Sequence[Span]) -> list[Span]:
    """Return the spans, but those that a gap may have changed, that are not among the others."""
    return [span for span in spans if not touches(span, gaps) and not any(is_near(span, other) for other in others)]


def check_against(expected: Sequence[Message], client: Client) -> None:
    messages, gaps = client.messages, spans_of(client.messages, "gap")
    wanted, received = spans_of(expected, "final"), spans_of(messages, "final")
    assert missing(wanted, received, gaps) == []
    assert missing(received, wanted, gaps) == []
    if not gaps:
        assert [number for number, _ in words_of(messages)] == [number for number, _ in words_of(expected)]
    if not gaps and not (client.kills and (client.flushes or client.held)):
        assert words_of(messages) == words_of(expected)
        assert spans_of(messages, "final") == spans_of(expected, "final")


@given(ACTIONS)
@example(
    [("speak", 4.0), ("lose", 0.0), ("speak", 3.0), ("resume", 0.0), ("resume", 0.0), ("kill", 0.0), ("speak", 6.0)]
)
@example([("speak", 5.1), ("flush", 0.0), ("kill", 0.0), ("speak", 5.0), ("kill", 0.0), ("cut a sample", 0.0)])
@example([("speak", 6.0), ("lose", 0.0), ("speak", 5.0), ("forget", 1.0), ("resume", 0.0)])
@example([("speak", 6.125), ("kill", 0.0), ("forget", 2.5)])
@settings(max_examples=25, deadline=None)
def test_a_client_receives_the_same_as_an_uncut_one(actions: list[Action]) -> None:
    client = anyio.run(played, actions)
    messages = client.messages
    utterances = [number for number, _ in words_of(messages)]
    assert utterances == list(range(len(utterances)))  # in order, and each has one final
    final_cues = [m["id"] for m in messages if m["type"] == "cue" and m["state"] == "final"]
    assert len(final_cues) == len(set(final_cues))
    if not spans_of(messages, "gap"):  # else the client has dropped a flush with the audio around it
        flushed = {m["id"] for m in messages if m["type"] == "flushed"}
        assert flushed == {flush_id for _, flush_id in client.flushes}
    assert messages[-1]["type"] == "finished"
    check_against(uncut(tuple(place for place, _ in client.flushes)), client)
