"""Names that are nearly right."""

import pytest

from gateway.wire.misspellings import meant_by

KNOWN = ("language", "response_format", "sample_rate")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("sampleRate", "sample_rate"),
        ("Sample-Rate", "sample_rate"),
        ("samplerate", "sample_rate"),
        ("langauge", "language"),
        ("languages", "language"),
        ("response_fromat", "response_format"),
    ],
)
def test_a_name_that_is_nearly_right_is_recognised(name: str, meant: str) -> None:
    assert meant_by(name, KNOWN) == meant


@pytest.mark.parametrize("name", ["", "…", "rate", "format", "language_code", "user", "x" * 10**6])
def test_others_are_not(name: str) -> None:
    assert meant_by(name, KNOWN) is None


def test_only_spelling_suggests_other_spellings_and_no_typos() -> None:
    assert meant_by("sampleRate", KNOWN, only_spelling=True) == "sample_rate"
    assert meant_by("langauge", KNOWN, only_spelling=True) is None
