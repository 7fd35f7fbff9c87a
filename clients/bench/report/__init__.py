"""Reports of benchmarks: the terminal's table, HTML, CSV, and results read back."""

from clients.bench.report.html_file import write_html
from clients.bench.report.joining import join_results
from clients.bench.report.reading import ResultUnreadable, read_results
from clients.bench.report.schema import json_schema
from clients.bench.report.terminal import print_summary, summary_table, summary_text
from clients.bench.report.words_csv import write_csv

__all__ = [
    "ResultUnreadable",
    "join_results",
    "json_schema",
    "print_summary",
    "read_results",
    "summary_table",
    "summary_text",
    "write_csv",
    "write_html",
]
