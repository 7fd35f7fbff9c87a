"""Sessions of many gateways that share one journal, on a virtual clock: leases, fencing, resumes. PURE.

A session's words are spoken at a steady rate, and each is appended to the journal some time after it was received.
Its owner renews its lease on the session; another gateway may take the session over once the lease has expired, and
appends with the older lease are then refused. A client whose connection is lost reconnects with the back-off of
`clients.reconnect`, to a random gateway, and sends again what the journal does not have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor, inf
from random import Random

__all__ = ["ClusterSettings", "Outage", "Outcome", "simulate"]


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """What is simulated; times in seconds.

    Attributes:
        sessions: open from the start to the end.
        gateways: that they are distributed over at random.
        duration_s: of each session.
        word_s: between two words: 150 a minute.
        append_s: from the receipt of a word to its place in the journal, at least and at most; each session has one
            value. An utterance's words are appended together, so that the first of them waits for the last.
        lease_s: how long a gateway owns a session after its last renewal.
        renewal_s: how often it renews.
        detection_s: until a client finds that a gateway which still has its connection no longer answers.
        connect_s: until an attempt to connect to such a gateway is given up.
        removal_s: until the load balancer sends no more clients to a gateway that is down.
        first_back_off_s, longest_back_off_s, give_up_s: as in `clients.reconnect.BackOff`.
        replay_s: audio that a client keeps to send it again, at most.
        is_fenced: whether the journal refuses appends with an older lease.
    """

    sessions: int = 100_000
    gateways: int = 50
    duration_s: float = 120.0
    word_s: float = 0.4
    append_s: tuple[float, float] = (0.5, 15.0)
    lease_s: float = 10.0
    renewal_s: float = 3.0
    detection_s: float = 20.0
    connect_s: float = 5.0
    removal_s: float = 5.0
    first_back_off_s: float = 0.25
    longest_back_off_s: float = 5.0
    give_up_s: float = 120.0
    replay_s: float = 120.0
    is_fenced: bool = True


@dataclass(frozen=True, slots=True)
class Outage:
    """A gateway does nothing from one time to another; for ever if it was killed, which closes its connections."""

    gateway: int
    start_s: float
    end_s: float = inf


@dataclass(slots=True)
class Outcome:
    """What happened to all sessions.

    Attributes:
        words: spoken.
        appended: entries of the journal; each word is meant to have one.
        lost: words without an entry.
        doubled: entries beyond the first of their word.
        refused: appends that the fence refused.
        given_up: sessions whose client stopped reconnecting; their words count as lost.
        gaps_s: from each outage of a session's owner to its takeover.
    """

    words: int = 0
    appended: int = 0
    lost: int = 0
    doubled: int = 0
    refused: int = 0
    given_up: int = 0
    gaps_s: list[float] = field(default_factory=list)


def simulate(settings: ClusterSettings, outages: Sequence[Outage], random: Random) -> Outcome:
    """Return what happens to all sessions; equal seeds give equal outcomes."""
    outcome = Outcome()
    for _ in range(settings.sessions):
        _Session(settings, outages, random).run(outcome)
    return outcome


class _Session:
    """One session; sessions share nothing but the gateways' outages."""

    def __init__(self, settings: ClusterSettings, outages: Sequence[Outage], random: Random) -> None:
        self._settings = settings
        self._outages = sorted(outages, key=lambda outage: outage.start_s)
        self._random = random
        self._owner = random.randrange(settings.gateways)
        self._owned_s = 0.0
        self._append_s = random.uniform(*settings.append_s)
        self._next_word = 0
        """The first word that the journal neither has nor will get."""
        self._total = floor(settings.duration_s / settings.word_s)

    def run(self, outcome: Outcome) -> None:
        outcome.words += self._total
        while (outage := self._next_outage()) is not None:
            received = self._words_before(outage.start_s)
            self._append(self._words_before(outage.start_s - self._append_s), outcome)
            if not self._take_over(outage, received, outcome):
                outcome.given_up += 1
                outcome.lost += self._total - self._next_word
                return
        self._append(self._total, outcome)

    def _next_outage(self) -> Outage | None:
        return next(
            (each for each in self._outages if each.gateway == self._owner and each.end_s > self._owned_s), None
        )

    def _words_before(self, now_s: float) -> int:
        """Return how many words the owner received until then; those replayed came when it took over."""
        if now_s < self._owned_s:
            return self._next_word
        return min(self._total, max(0, floor(now_s / self._settings.word_s)))

    def _append(self, end: int, outcome: Outcome) -> None:
        outcome.appended += max(0, end - self._next_word)
        self._next_word = max(self._next_word, end)

    def _take_over(self, outage: Outage, received: int, outcome: Outcome) -> bool:
        """Let the client reconnect until a gateway owns the session; return whether one does."""
        settings = self._settings
        is_killed = outage.end_s == inf
        lost_s = outage.start_s if is_killed else outage.start_s + settings.detection_s
        if outage.end_s < lost_s:  # the owner is back, and nobody else has the session
            self._owned_s = outage.end_s
            return True
        taken_s = self._reconnected_s(lost_s, self._expiry_s(outage.start_s))
        if taken_s is None:
            return False
        unwritten = received - self._next_word
        if outage.end_s < taken_s:  # the old owner has appended them meanwhile, rightfully
            self._append(received, outcome)
        elif outage.end_s < inf and settings.is_fenced:
            outcome.refused += unwritten
        elif outage.end_s < inf:
            outcome.appended += unwritten
            outcome.doubled += unwritten
        self._drop_unkept(taken_s, outcome)
        outcome.gaps_s.append(taken_s - outage.start_s)
        self._owned_s = taken_s
        return True

    def _expiry_s(self, outage_s: float) -> float:
        """Return when the owner's lease ends: its last renewal was at a random time in the last interval."""
        return outage_s - self._random.uniform(0, self._settings.renewal_s) + self._settings.lease_s

    def _reconnected_s(self, lost_s: float, expiry_s: float) -> float | None:
        """Return when a gateway accepts the client; None: it gave up before."""
        settings = self._settings
        now_s, wait_s = lost_s, settings.first_back_off_s
        while now_s - lost_s <= settings.give_up_s:
            now_s += wait_s * (1 - self._random.random() / 2)
            wait_s = min(2 * wait_s, settings.longest_back_off_s)
            gateway = self._random.choice(self._balanced(now_s))
            outage = self._outage_of(gateway, now_s)
            if outage is None and now_s >= expiry_s:
                self._owner = gateway
                return now_s
            if outage is not None and outage.end_s < inf:
                now_s += settings.connect_s
        return None

    def _balanced(self, now_s: float) -> list[int]:
        """Return the gateways that the load balancer sends clients to."""
        removed = {
            each.gateway for each in self._outages if each.start_s + self._settings.removal_s < now_s < each.end_s
        }
        return [gateway for gateway in range(self._settings.gateways) if gateway not in removed]

    def _outage_of(self, gateway: int, now_s: float) -> Outage | None:
        return next(
            (each for each in self._outages if each.gateway == gateway and each.start_s <= now_s < each.end_s), None
        )

    def _drop_unkept(self, now_s: float, outcome: Outcome) -> None:
        """Count the words that the client no longer has when it is asked for them."""
        first_kept = min(self._total, max(0, floor((now_s - self._settings.replay_s) / self._settings.word_s)))
        outcome.lost += max(0, first_kept - self._next_word)
        self._next_word = max(self._next_word, first_kept)
