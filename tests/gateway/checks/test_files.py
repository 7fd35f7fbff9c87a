"""Files of each suffix are read as their format."""

import pytest

from gateway.captions.cue_profiles import PROFILES
from gateway.checks.files import FORMATS
from gateway.checks.subtitle import Malformed
from gateway.exports.document import Caption, Document
from gateway.exports.formats import DocumentFormat, export


@pytest.mark.parametrize("suffix", [".ass", ".ttml", ".scc"])
def test_exports_are_read_by_their_suffix(suffix: str) -> None:
    document = Document((Caption(3_000, 5_000, ("Good morning.",)),))
    content = export(document, DocumentFormat(suffix[1:])).content
    (subtitle,) = FORMATS[suffix].read(content)
    assert subtitle.lines == ("Good morning.",)
    assert abs(subtitle.start_ms - 3_000) <= FORMATS[suffix].tolerance_ms


def test_every_format_has_a_profile() -> None:
    assert all(known.profile in PROFILES for known in FORMATS.values())


def test_text_in_another_encoding_is_refused() -> None:
    with pytest.raises(Malformed, match="byte 1 is not UTF-8"):
        FORMATS[".srt"].read("é".encode("latin-1").rjust(2))
