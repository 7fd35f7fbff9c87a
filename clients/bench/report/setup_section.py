"""How to repeat a benchmark: servers, commands, machines, versions, recordings, and what was not measured. PURE."""

from collections.abc import Iterator, Sequence
from shlex import join

from clients.bench.report.definitions import DEFINITIONS
from clients.bench.report.figures import NOTHING, count, decimal, duration, memory
from clients.bench.report.markup import Markup, element
from clients.bench.report.tables import scrolling
from clients.bench.result import Result, Testset

__all__ = ["definitions", "setups", "testsets", "withheld"]

_DIGITS = 12
"""Of a hash in tables; the whole hash is its tooltip, and in the JSON."""


def setups(results: Sequence[Result]) -> Iterator[Markup]:
    """Yield a box a result: its server, machine, versions and command."""
    for result in results:
        facts = element("dl", *_facts(result))
        command = element("pre", element("code", join(result.tool.command) or NOTHING), tabindex="0")
        notes = [element("p", note, class_="note") for note in result.notes]
        yield element("div", element("h3", element("bdi", result.server.name)), facts, command, *notes, class_="box")


def testsets(results: Sequence[Result]) -> Iterator[Markup]:
    """Yield each test set once, with its recordings and hashes."""
    different = {result.testset.sha256: result.testset for result in results}
    for testset in different.values():
        name = element("h3", element("bdi", testset.name))
        folded = element("summary", f"{count(len(testset.recordings))} recordings")
        recordings = [element("details", folded, _recordings(testset))] if testset.recordings else []
        yield element("div", name, element("dl", *_testset_facts(testset)), *recordings, class_="box")


def withheld(results: Sequence[Result]) -> Markup:
    """Return which metrics could not be measured of which server, and why."""
    reasons = {
        (result.server.name, metric, reason): None
        for result in results
        for run in result.runs
        for metric, reason in run.withheld.items()
    }
    if not reasons:
        return element("p", "Nothing was withheld.", class_="note")
    entries = (
        element("li", element("bdi", server), ": ", element("code", metric), f" – {reason}")
        for server, metric, reason in reasons
    )
    return element("ul", *entries, class_="plain")


def definitions() -> Markup:
    """Return what each metric means."""
    pairs = (element("div", element("dt", term), element("dd", meaning)) for term, meaning in DEFINITIONS)
    return element("dl", *pairs, class_="definitions")


def _facts(result: Result) -> Iterator[Markup]:
    server, machine, tool = result.server, result.machine, result.tool
    options = ", ".join(f"{name}={value}" for name, value in server.options.items())
    load = NOTHING if machine.other_load_cores is None else f"{decimal(machine.other_load_cores)} cores"
    pairs = (
        ("Server", f"{server.url} ({server.dialect})"),
        ("Model", server.model or NOTHING),
        ("Version", server.version or NOTHING),
        ("Options", options or NOTHING),
        ("Machine", f"{machine.cpu}, {count(machine.cores)} cores, {memory(machine.memory_bytes)}"),
        ("GPU", machine.gpu or NOTHING),
        ("System", machine.platform),
        ("Other load", load),
        ("Measured by", f"{tool.name} {tool.version}, Python {tool.python}"),
        ("Measured at", result.created_at),
    )
    return (_fact(term, text) for term, text in pairs)


def _testset_facts(testset: Testset) -> Iterator[Markup]:
    audio_s = sum(recording.duration_s for recording in testset.recordings)
    words = sum(recording.words for recording in testset.recordings)
    yield _fact("Audio", f"{duration(audio_s)}, {count(words)} words")
    yield _fact("SHA-256", testset.sha256)
    yield _fact("Normaliser", f"{testset.normaliser}, SHA-256 {testset.normaliser_sha256}")


def _fact(term: str, text: str) -> Markup:
    return element("div", element("dt", term), element("dd", text))


def _recordings(testset: Testset) -> Markup:
    headings = ("recording", "language", "duration", "words", "times", "audio SHA-256", "reference SHA-256")
    rows = (
        element(
            "tr",
            element("th", element("bdi", recording.id), scope="row"),
            element("td", recording.language or "no speech"),
            element("td", duration(recording.duration_s), class_="num"),
            element("td", count(recording.words), class_="num"),
            element("td", recording.times),
            *(
                element("td", element("code", digest[:_DIGITS], title=digest))
                for digest in (recording.audio_sha256, recording.reference_sha256)
            ),
        )
        for recording in testset.recordings
    )
    head = element("tr", *(element("th", text, scope="col") for text in headings))
    return scrolling("Recordings", element("table", element("thead", head), element("tbody", *rows)))
