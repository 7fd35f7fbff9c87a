"""Client options applied to the settings of the stages."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engine import EngineInfo
from gateway.session.stage_options import cue_profile_of, languages_of, segmenter_settings_of, without_lag_limits
from gateway.settings import SessionSettings
from gateway.wire import Endpointing, ProtocolError, Start
from vad.settings import MIN_THRESHOLD, USUAL_THRESHOLD, SegmenterSettings

SETTINGS = SessionSettings()
SEGMENTER = SegmenterSettings()
ENGLISH_ONLY = EngineInfo("scripted", "script", "none", languages=("en",))


def test_without_options_the_settings_stay() -> None:
    assert segmenter_settings_of(Endpointing(), SEGMENTER) == SEGMENTER


def test_options_replace_the_settings() -> None:
    options = Endpointing(silence_ms=700, pause_ms=150, pad_before_ms=0, partial_interval_ms=900, manual=True)
    settings = segmenter_settings_of(options, SEGMENTER)
    assert (settings.silence_ms, settings.pause_ms, settings.pad_before_ms) == (700, 150, 0)
    assert (settings.progress_interval_ms, settings.manual) == (900, True)
    assert settings.max_utterance_s == SEGMENTER.max_utterance_s


@given(st.floats(0.01, USUAL_THRESHOLD))
def test_a_lower_threshold_scales_all_three_but_not_below_the_least(threshold: float) -> None:
    settings = segmenter_settings_of(Endpointing(threshold=threshold), SEGMENTER)
    for name in ("onset_threshold", "offset_threshold", "endpoint_threshold"):
        scaled = getattr(SEGMENTER, name) * threshold / USUAL_THRESHOLD
        assert getattr(settings, name) == pytest.approx(max(MIN_THRESHOLD, scaled))


def test_an_option_out_of_range_is_refused_by_the_name_that_clients_use() -> None:
    with pytest.raises(ProtocolError, match="partial_interval_ms") as refused:
        segmenter_settings_of(Endpointing(partial_interval_ms=1), SEGMENTER)
    assert refused.value.field == "endpointing"


def test_a_strict_dialect_refuses_an_unknown_profile_and_a_lenient_one_ignores_it() -> None:
    message = "unknown cue profile 'cinema': expected one of web, live"
    with pytest.raises(ProtocolError, match=message):
        cue_profile_of(Start(cue_profile="cinema"), SETTINGS)
    lenient = Start(cue_profile="cinema", is_lenient=True, ignored=("another",))
    profile, ignored = cue_profile_of(lenient, SETTINGS)
    assert profile == cue_profile_of(Start(), SETTINGS)[0]
    assert ignored[0] == "another"
    assert ignored[1].endswith(f"using {SETTINGS.cue_profile}")


def test_a_strict_dialect_refuses_an_unavailable_language_and_a_lenient_one_reports_it() -> None:
    start = Start(language="de")
    with pytest.raises(ProtocolError):
        languages_of(start, SETTINGS, ENGLISH_ONLY)
    choice = languages_of(replace(start, is_lenient=True), SETTINGS, ENGLISH_ONLY)
    assert choice.refused
    assert choice.code != "de"


def test_a_file_may_lag_without_limit() -> None:
    settings = without_lag_limits(SETTINGS)
    assert (settings.eager_finals, settings.lag_shed_s, settings.lag_limit_s) == (False, inf, inf)
