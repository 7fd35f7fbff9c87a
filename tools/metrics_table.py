"""Write the table of metrics in docs/observability.md: python -m tools.metrics_table"""

from pathlib import Path

from decoder.engine import PoolReport
from decoder.engines.scripted import ScriptedEngine
from decoder.scheduler import Scheduler
from decoder.settings import PlannerSettings, SchedulerSettings
from gateway.access.authenticator import Authenticator
from gateway.delivery.broadcast import Broadcaster
from gateway.journal.unwritten_events import JournalCounts
from gateway.metrics import Metrics
from gateway.sqlite import StateDatabase

__all__ = ["PAGE", "metrics_table", "with_table"]

PAGE = Path(__file__).parent.parent / "docs" / "observability.md"

_BEGIN, _END = "<!-- metrics -->\n", "<!-- /metrics -->\n"


def metrics_table() -> str:
    """Return the metrics of a gateway with all that it can have, as a table in Markdown."""
    metrics = Metrics(
        Scheduler(ScriptedEngine(), PlannerSettings(), SchedulerSettings(), lambda: 0.0),
        Broadcaster(),
    )
    metrics.watch(Authenticator((), StateDatabase(Path("never-opened"), ()), lambda: 0.0), 1)
    metrics.watch_journal(JournalCounts())
    metrics.watch_upstreams(lambda: PoolReport((), True, 0.0, 0.0, "", 0, 0))
    rows = sorted(
        (family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation)
        for family in metrics.families()
    )
    lines = [
        "| metric | type | meaning |",
        "|---|---|---|",
        *(f"| `{name}` | {kind} | {text} |" for name, kind, text in rows),
    ]
    return "\n".join(lines) + "\n"


def with_table(page: str) -> str:
    """Return a page with the table of metrics as it is now between its markers."""
    before, _, rest = page.partition(_BEGIN)
    return f"{before}{_BEGIN}{metrics_table()}{_END}{rest.partition(_END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
