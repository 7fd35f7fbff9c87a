"""`docs/benchmarking.md` describes what the code does."""

import re

import msgspec
import pytest

from clients.bench import result
from clients.bench.concatenation import GAP_S
from clients.bench.limits import Limits
from clients.bench.reference import PAUSE_S
from clients.bench.slo import parse_condition
from clients.bench.word_times import WORD_TIMES_SCHEMA
from tests.test_layers import ROOT

PAGE = (ROOT / "docs" / "benchmarking.md").read_text("utf-8")

JSON = PAGE.partition("\n## JSON\n")[2]

STRUCTS = [struct for name in result.__all__ if isinstance(struct := getattr(result, name), type)]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_of_the_json_is_described_with_its_struct(struct: type[msgspec.Struct]) -> None:
    section = re.search(rf"^### {struct.__name__}\n(.*?)(?=^##|\Z)", JSON, re.MULTILINE | re.DOTALL)

    assert section is not None
    assert set(struct.__struct_fields__) <= set(re.findall(r"`(\w+)`", section[1]))


def test_every_number_and_lag_of_a_run_is_defined_in_the_text() -> None:
    definitions = PAGE.partition("\n## JSON\n")[0]
    metrics = ("first_shown", "word_shown", "word_committed", "word_final", "final", "first_partial", "update_gap")

    assert all(f"| `{metric}` |" in definitions for metric in metrics)


def test_every_slo_of_the_page_is_one() -> None:
    conditions = re.findall(r"--slo '([^']+)'", PAGE)

    assert len(conditions) > 4
    for condition in conditions:
        assert parse_condition(condition)


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    limits = Limits()

    assert (limits.word_s, limits.final_s, limits.premature_pause_s) == (1.5, 1.0, 0.3)
    assert (limits.unanswered_s, limits.unanswered_words, limits.late_p99_s, limits.late_max_s) == (2, 3, 0.05, 0.25)
    assert (PAUSE_S, GAP_S) == (0.6, 1)
    for text in (
        "else 1.5 s\nand 1.0 s",
        "within 0.3 s",
        "at least 2 s",
        "at\nleast 3 words",
        "50 ms",
        "250 ms",
        "0.6 s",
    ):
        assert text.replace("\n", " ") in " ".join(PAGE.split())


def test_the_schemas_are_named() -> None:
    assert f"`{result.SCHEMA}`" in PAGE
    assert WORD_TIMES_SCHEMA == "livecue-words/1"
