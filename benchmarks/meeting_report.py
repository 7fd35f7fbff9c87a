"""What a meeting has shown: tables, and its faults."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.meeting_account import Account
from benchmarks.percentile import percentile
from benchmarks.report import print_table

__all__ = ["Findings", "PlayerFinding", "SinkFinding", "faults_of", "print_findings"]

_SHOWN_WITHIN_S = 0.5
"""Of when its words were spoken: when a cue is to appear."""

_DELAYED_S = 0.5
"""Above what two cores do by themselves, with a browser and a model on them."""


@dataclass(frozen=True, slots=True)
class SinkFinding:
    """One sink.

    Attributes:
        account: of what its place has.
        may_lose: whether it may drop captions that are late.
        announced: dropped captions, as announced to the client.
        dropped: events, as the metric counts.
        unsupported: corrections that it could not take, as the metric counts.
        has_correction: whether its place has the correction.
    """

    account: Account
    may_lose: bool
    announced: int
    dropped: int
    unsupported: int
    has_correction: bool


@dataclass(frozen=True, slots=True)
class PlayerFinding:
    """What a player has displayed.

    Attributes:
        late_s: by how much later than its words each cue appeared that did, of those spoken since its first picture.
        missing: cues that did not appear.
        affected: cues beside those, which the outage of the sink has kept from the playlist.
        affected_missing: those of them that did not appear.
        wrong: cues that appeared with another text.
        errors: of the player, by name.
    """

    late_s: tuple[float, ...]
    missing: int
    affected: int
    affected_missing: int
    wrong: int
    errors: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Findings:
    """All of it; `texts` says what was compared, and whether it agrees."""

    sinks: tuple[SinkFinding, ...]
    viewers: tuple[Account, ...]
    player: PlayerFinding
    texts: Mapping[str, bool]


def faults_of(findings: Findings) -> list[str]:
    """Return what must not be."""
    faults = [f"not so: {what}" for what, agrees in findings.texts.items() if not agrees]
    for sink in findings.sinks:
        name, lost = sink.account.name, len(sink.account.lost)
        if lost and not sink.may_lose:
            faults.append(f"{name} has lost {lost} captions")
        if lost != sink.dropped or lost > sink.announced:
            faults.append(f"{name} has lost {lost}, announced {sink.announced} and counted {sink.dropped} captions")
    for account in (*(sink.account for sink in findings.sinks), *findings.viewers):
        calm_s, others_s = account.calm_p95_s, account.others_p95_s
        if calm_s is not None and others_s is not None and others_s > calm_s + _DELAYED_S:
            faults.append(f"{account.name} was delayed by outages of others: {others_s:.2f} s, else {calm_s:.2f} s")
        if account.foreign:
            faults.append(f"{account.name} has {account.foreign} unexpected captions")
    faults += [f"the {each.name} has lost {len(each.lost)} finals" for each in findings.viewers if each.lost]
    player = findings.player
    if early_or_late := sum(abs(late_s) > _SHOWN_WITHIN_S for late_s in player.late_s):
        faults.append(f"the player has displayed {early_or_late} cues more than {_SHOWN_WITHIN_S} s early or late")
    if player.missing or player.wrong:
        faults.append(f"the player has not displayed {player.missing} cues, and {player.wrong} with another text")
    return faults


def print_findings(findings: Findings) -> None:
    """Print the tables."""
    columns = ["", "expected", "has", "lost", "dropped", "repeated", "caught up s", "correction"]
    columns += ["delay s p50", "p95", "others' outages p50", "p95"]
    rows = [_row(sink.account, sink.announced, _correction(sink)) for sink in findings.sinks]
    rows += [_row(account, "–", "yes") for account in findings.viewers]
    print_table("the meeting", columns, rows)
    player = findings.player
    distances_s = [abs(late_s) for late_s in player.late_s]
    columns = ["", "displayed", "not", "of the outage", "not", "other text", "apart s p50", "p95", "most"]
    figures = [percentile(distances_s, percent) for percent in (50, 95, 100)]
    affected = player.affected - player.affected_missing, player.affected_missing
    row = ["cues", len(distances_s), player.missing, *affected, player.wrong, *figures]
    print_table(f"hls.js; its errors: {dict(player.errors)}", columns, [row])
    for what, agrees in findings.texts.items():
        print(f"{'same' if agrees else 'NOT the same'}: {what}")


def _row(account: Account, announced: object, correction: str) -> list[object]:
    counts = account.expected, account.expected - len(account.lost), len(account.lost), announced, account.repeated
    delays = account.calm_p50_s, account.calm_p95_s, account.others_p50_s, account.others_p95_s
    cells = [account.name, *counts, account.caught_up_s, correction, *delays]
    return ["–" if cell is None else cell for cell in cells]


def _correction(sink: SinkFinding) -> str:
    return "yes" if sink.has_correction else f"no, {sink.unsupported} counted"
