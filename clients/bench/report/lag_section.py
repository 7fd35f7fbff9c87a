"""The section of lags: a block a load, with the distribution of each lag and the lag over time. PURE."""

from collections.abc import Iterator, Sequence

from clients.bench.report.charts import swatch
from clients.bench.report.figures import NOTHING, count, seconds, streams_text
from clients.bench.report.lag_charts import Measured, distribution_chart, over_time_chart
from clients.bench.report.lags import LAGS, Lag
from clients.bench.report.markup import Markup, element
from clients.bench.report.tables import figure, server_cell
from clients.bench.result import Result

__all__ = ["lag_blocks", "legend"]


def lag_blocks(results: Sequence[Result]) -> Iterator[Markup]:
    """Yield a block for each load that has words, fewest streams first; a reader chooses one of them."""
    purposes = {run.purpose for result in results for run in result.runs if run.per_stream}
    compared = "load" if "load" in purposes else "capacity"
    loads = {run.streams for result in results for run in result.runs if run.purpose == compared and run.per_stream}
    for streams in sorted(loads):
        servers = [
            Measured(place, result.server.name, runs)
            for place, result in enumerate(results)
            if (runs := [run for run in result.runs if run.streams == streams and run.purpose == compared])
        ]
        name = streams_text(streams)
        charts = [*(_lag_figure(lag, servers) for lag in LAGS), _over_time_figure(servers)]
        grid = element("div", *charts, class_="grid")
        yield element("div", element("h3", name), grid, class_="choice", data_name=name)


def legend(results: Sequence[Result]) -> Markup:
    """Return the line styles of the servers."""
    entries = (element("li", swatch(place), element("bdi", result.server.name)) for place, result in enumerate(results))
    return element("ul", *entries, class_="legend")


def _lag_figure(lag: Lag, servers: Sequence[Measured]) -> Markup:
    drawn = distribution_chart(lag, servers) or element("p", "not measured", class_="blank")
    rows = [_percentile_row(lag, server, number) for server in servers for number in range(len(server.runs))]
    headings = (element("th", text, scope="col", class_="num") for text in ("p50", "p95", "p99", "words"))
    head = element("thead", element("tr", element("th", "seconds", scope="col"), *headings))
    table = element("table", head, element("tbody", *rows), class_="percentiles")
    caption = element("figcaption", element("strong", lag.title), element("span", lag.span))
    return element("figure", caption, drawn, table)


def _percentile_row(lag: Lag, server: Measured, number: int) -> Markup:
    run = server.runs[number]
    found = lag.percentiles(run)
    cells = [figure(seconds(value)) for value in (found.p50, found.p95, found.p99)]
    cells.append(figure(count(found.count) if found.count else NOTHING))
    invalid = [] if run.clock.valid else [element("span", " ✕ invalid", class_="bad-text")]
    return element("tr", server_cell(server.place, server.name, *invalid), *cells)


def _over_time_figure(servers: Sequence[Measured]) -> Markup:
    drawn = over_time_chart(servers) or element("p", "not measured", class_="blank")
    explained = "median of all streams; the area goes from the lowest to the highest"
    caption = element("figcaption", element("strong", "Lag over time"), element("span", explained))
    note = element(
        "p", "A line that rises is a server that falls behind: words wait for the ones before them.", class_="note"
    )
    return element("figure", caption, drawn, note)
