"""All metrics of a run, on hand-computed traces and on servers with known delays."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.bench.limits import Limits
from clients.bench.measure import measure_run
from clients.bench.reference import Reference, ReferenceWord, with_ends_of_speech
from clients.bench.result import Errors, Finals, Invented, Percentiles, Run, Terms
from clients.bench.trace import Cut, Observed, Pacing, StreamTrace
from tests.clients.bench.observing import final, partial, reference, trace

TALK = reference("red blue | pink gray")
"""Words end at 1.5, 2, 3.5 and 4 s; speech ends at 2 and 4 s."""


def measured(*transcripts: Observed, reference: Reference = TALK) -> Run:
    return measure_run([trace(*transcripts)], {"talk": reference})


def test_a_life_of_four_words_has_the_lags_computed_by_hand() -> None:
    run = measured(
        partial(1.7, "red", "a"),
        partial(2.2, "red blew", "a", committed="red"),
        final(2.5, "Red blue.", "a"),
        partial(4.1, "pink gray", "b"),
        final(4.75, "pink gray", "b"),
    )

    first, second, third, last = run.per_stream[0].words
    assert (first.first_shown_s, first.shown_s, first.committed_s, first.final_s) == (1.7, 1.7, 2.2, 2.5)
    assert (second.first_shown_s, second.shown_s, second.committed_s, second.final_s) == (2.2, 2.5, 2.5, 2.5)
    assert (third.shown_s, last.final_s) == (4.1, 4.75)
    assert run.first_shown.p50 == pytest.approx(0.2)
    assert run.word_shown.max == pytest.approx(0.6)
    assert run.word_committed.max == pytest.approx(1.25)
    assert run.final.count == 2
    assert [run.final.p50, run.final.max] == pytest.approx([0.5, 0.75])
    assert run.first_partial.p50 == pytest.approx(0.7)
    assert run.finals == Finals(ends_of_speech=2, answered=2, premature=0, missing=0)
    assert run.stability.normalised_erasure == 0
    assert run.stability.normalised_erasure_with_final == 0.25
    assert (run.errors.words, run.errors.wer, run.errors.cer) == (4, 0, 0)
    assert run.withheld == {}
    assert run.per_stream[0].transcript == "Red blue. pink gray"
    assert [each.after for each in run.per_stream[0].corrections] == ["Red blue."]


def test_wrong_and_lost_words_have_no_lag_of_display() -> None:
    run = measured(final(2.5, "red new", "a"), final(4.5, "pink", "b"))

    wrong, lost = run.per_stream[0].words[1], run.per_stream[0].words[3]
    assert (wrong.written, wrong.shown_s, wrong.committed_s, wrong.final_s) == ("new", None, None, 2.5)
    assert (lost.written, lost.final_s) == (None, None)
    assert run.word_final.count == 2
    assert run.errors == Errors(4, 1, 0, 1, 0.5, 15, 8, 8 / 15)


def test_an_end_of_speech_is_answered_by_a_wrong_word_but_not_by_none() -> None:
    run = measured(final(2.5, "red new", "a"), final(4.5, "pink", "b"))

    assert run.finals == Finals(ends_of_speech=2, answered=1, premature=0, missing=1)
    assert run.final.max == 0.5


def test_words_without_a_final_are_lost() -> None:
    run = measured(partial(2.2, "red blue"), final(4.5, "pink gray", "b"))

    assert run.errors.deleted == 2
    assert run.finals.missing == 1
    assert run.stability.withdrawn_words == 2


def test_a_dialect_without_partials_has_lags_of_finals_only() -> None:
    run = measured(final(2.5, "red blue", "a"), final(4.5, "pink gray", "b"))

    withheld = {"first_shown", "word_shown", "first_partial", "update_gap", "stability", "word_committed"}
    assert set(run.withheld) == withheld
    assert run.word_shown == run.word_committed == Percentiles(0)
    assert run.word_final.count == 4
    assert run.stability.normalised_erasure is None
    assert run.goodput.words_on_time == 4


def test_commitments_are_withheld_where_none_was_ever_made() -> None:
    run = measured(partial(2.2, "red"), final(2.5, "red blue", "a"))

    assert set(run.withheld) == {"word_committed"}


def test_erasure_is_not_measured_without_words_of_finals() -> None:
    assert measured(partial(2, "red"), partial(3, "blue")).stability.normalised_erasure is None


def test_nothing_is_withheld_of_a_server_that_never_answered() -> None:
    run = measured()

    assert run.withheld == {}
    assert run.finals.missing == 2
    assert run.errors.wer == 1


def test_without_word_times_only_errors_are_measured() -> None:
    run = measured(partial(1, "red"), final(2, "red blue pink"), reference=replace(TALK, has_times=False))

    assert run.withheld["final"] == "the times of the spoken words are unknown"
    assert run.word_final == Percentiles(0)
    assert run.goodput.words_due == run.finals.ends_of_speech == 0
    assert run.errors.deleted == 1
    assert run.per_stream[0].words == ()


def test_recordings_without_speech_count_as_invented_words_only() -> None:
    silent = reference("")
    run = measure_run([trace(partial(1, "thank you"), final(2, "Thanks."), audio_s=30.0)], {"talk": silent})

    assert run.invented == Invented(30, words=1, words_per_minute=2, displayed_words=2)
    assert run.errors.words == run.errors.inserted == run.stability.updates == 0
    assert measured().invented is None


def test_refused_streams_count_in_the_goodput_only() -> None:
    refused = StreamTrace(1, "talk", 0.0, failure=("429", "too many streams"), was_refused=True)
    failed = StreamTrace(2, "talk", 2.0, failure=("1011", "gone"), transcripts=[final(2.2, "red blue")])
    run = measure_run([refused, failed], {"talk": TALK})

    assert (run.goodput.words_due, run.goodput.words_on_time) == (8, 2)
    assert (run.goodput.finals_due, run.goodput.finals_on_time) == (4, 1)
    assert (run.goodput.refused_streams, run.goodput.failed_streams) == (1, 1)
    assert run.goodput.refusals == {"429": 1}
    assert (run.errors.words, run.errors.deleted) == (4, 2)
    assert [len(stream.unanswered) for stream in run.per_stream] == [0, 0]
    assert [stream.failure for stream in run.per_stream] == ["429: too many streams", "1011: gone"]
    assert run.audio_s == run.wall_s == 2


def test_words_that_were_not_played_are_not_due() -> None:
    run = measure_run([trace(final(2.5, "red blue"), audio_s=2.05)], {"talk": TALK})

    assert (run.errors.words, run.goodput.words_due, run.finals.answered) == (2, 2, 1)


def test_a_stream_may_end_within_an_utterance() -> None:
    run = measure_run([trace(final(4.5, "red blue pink"), audio_s=3.5)], {"talk": TALK})

    assert run.finals == Finals(2, 2, 0, 0)
    assert run.final.max == 2.5


def test_unanswered_speech_is_reported_with_its_place() -> None:
    long = reference("red blue | a b c d e f | pink gray")
    run = measured(final(2.5, "red blue"), final(9, "pink gray", "b"), reference=long)

    [stretch] = run.per_stream[0].unanswered
    assert (stretch.start_s, stretch.end_s, stretch.words) == (3, 6, 6)
    assert run.unanswered_s == 3


def test_terms_are_measured_if_there_are_any() -> None:
    with_terms = replace(TALK, terms=("Blue", "mauve"))

    assert measured(final(2.5, "red blue mauve"), reference=with_terms).terms == Terms(1, 1, 1, 1)
    assert measured().terms is None


def test_cuts_are_measured_against_the_same_stream_without_a_cut() -> None:
    cut = trace(final(4.5, "red gray"))
    cut.cuts.append(Cut(2.1, 3.1, resumed=True))
    uncut = trace(final(4.5, "red blue gray"))

    run = measure_run([cut], {"talk": TALK}, uncut=[uncut])
    alone = measure_run([cut], {"talk": TALK})

    assert run.cuts is not None
    assert alone.cuts is not None
    assert (run.cuts.cuts, run.cuts.resumed, run.cuts.live_again.p50) == (1, 1, 1)
    assert (run.cuts.words_lost, alone.cuts.words_lost) == (1, 2)
    assert measured().cuts is None


def test_cuts_are_counted_without_word_times_but_the_words_they_cost_are_not() -> None:
    cut = trace(final(4.5, "red gray"))
    cut.cuts.append(Cut(2.1, 3.1, resumed=True))

    run = measure_run([cut], {"talk": replace(TALK, has_times=False)})

    assert run.cuts is not None
    assert (run.cuts.cuts, run.cuts.resumed, run.cuts.live_again.p50) == (1, 1, 1)
    assert (run.cuts.words_lost, run.cuts.words_doubled) == (None, None)


def test_a_run_has_the_lateness_of_its_client_and_the_times_to_connect() -> None:
    stream = trace(final(2.5, "red blue"))
    stream.connect_s, stream.ended_s = 0.1, 61.0
    stream.pacing = Pacing(2, [0.0, 0.5], [0.0, 0.0])

    run = measure_run([stream], {"talk": TALK}, Limits(late_max_s=0.4))

    assert not run.clock.valid
    assert (run.connect.p50, run.wall_s) == (0.1, 61)


def test_fillers_are_not_compared_but_may_end_speech() -> None:
    words = with_ends_of_speech([ReferenceWord("red", 1, 2), ReferenceWord("um", 2, 2.5), ReferenceWord("uh", 4, 5)])
    run = measured(final(3, "Red."), reference=replace(TALK, words=words))

    assert [word.text for word in run.per_stream[0].words] == ["red"]
    assert (run.final.count, run.final.max) == (1, 0.5)
    assert run.errors.wer == 0


COLOURS = ["red", "blue", "pink", "gray", "gold"]
WORDS = st.lists(st.sampled_from([*COLOURS, "thirty", "six"]), min_size=1, max_size=12)
GAPS_S = st.sampled_from([0.0, 0.125, 1.0])


@given(WORDS, st.data(), st.sampled_from([0.25, 0.5, 2.0]), st.sampled_from([0.5, 1.0, 3.0]))
def test_a_perfect_server_has_its_delays_as_every_lag(
    texts: list[str], data: st.DataObject, delay_s: float, answer_s: float
) -> None:
    words, at_s = [], 1.0
    for text in texts:
        words.append(ReferenceWord(text, at_s, at_s + 0.25))
        at_s += 0.25 + data.draw(GAPS_S)
    truth = Reference("talk", "en", at_s + 1, with_ends_of_speech(words))
    transcripts, said, segment = [], "", 0
    for word in truth.words:
        said = f"{said} {word.text}".strip()
        transcripts.append(partial(word.end_s + delay_s, said, str(segment), committed=said))
        if word.ends_speech:
            transcripts.append(final(word.end_s + delay_s + answer_s, said, str(segment)))
            said, segment = "", segment + 1
    transcripts.sort(key=lambda each: each.at_s)

    run = measured(*transcripts, reference=truth)

    for lag in (run.first_shown, run.word_shown, run.word_committed):
        assert [lag.count, lag.max, lag.p50] == pytest.approx([len(texts), delay_s, delay_s])
    assert [run.final.p50, run.final.max] == pytest.approx([delay_s + answer_s] * 2)
    assert run.first_partial.max == pytest.approx(delay_s + 0.25)
    assert run.finals == Finals(segment, segment, 0, 0)
    assert (run.errors.wer, run.unanswered_s, run.stability.erased_words) == (0, 0, 0)


# Not numerals: "thirty six" is one number, of which a half is not kept but wrong.
@given(st.lists(st.sampled_from(COLOURS), min_size=1, max_size=12), st.sets(st.integers(0, 11)))
def test_kept_and_lost_words_are_all_words(texts: list[str], dropped: set[int]) -> None:
    truth = reference(" ".join(texts))
    kept = [text for place, text in enumerate(texts) if place not in dropped]
    run = measured(final(20, " ".join(kept)), reference=truth)

    lost = sum(word.written is None for word in run.per_stream[0].words)
    assert run.word_final.count + lost == len(run.per_stream[0].words)
    assert sum(each.words for each in run.per_stream[0].unanswered) <= lost


@given(st.permutations(range(4)))
def test_the_order_of_the_streams_is_irrelevant(order: list[int]) -> None:
    texts = ["red blue", "red", "", "pink gray red"]
    traces = [trace(partial(2, text[:4]), final(3 + number, text), stream=number) for number, text in enumerate(texts)]

    run = measure_run([traces[number] for number in order], {"talk": TALK})

    assert replace_streams(run) == replace_streams(measure_run(traces, {"talk": TALK}))


def replace_streams(run: Run) -> dict[str, object]:
    return {name: getattr(run, name) for name in run.__struct_fields__ if name != "per_stream"}
