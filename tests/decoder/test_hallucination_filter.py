"""Hallucinated words are dropped or flagged, and spoken words are kept."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.whisper.engine import create
from decoder.hallucination_filter import Action, Reason, Verdict, judge
from decoder.settings import EngineSettings, GuardMode, GuardSettings
from decoder.types import DecodeRequest, Hypothesis, RequestKind, Word
from tests.audio import noise, silence, speechlike
from tests.contracts.engines import digits_model
from tests.recordings import recording, recording_path
from vad.audio import SAMPLE_RATE_HZ, Float32, s_to_samples

SURE, UNSURE = -0.2, -1.4

VOICE = speechlike(30.0)


def request(audio: Float32, kind: RequestKind = RequestKind.FINAL) -> DecodeRequest:
    return DecodeRequest("a", 0, 1, kind, audio, 0, 0.0)


def recognized(
    sentence: str,
    *,
    avg_logprob: float | None = SURE,
    no_speech: float | None = 0.1,
    probability: float | None = None,
) -> Hypothesis:
    """Return a hypothesis with this sentence; without spaces each character is a word, as in Whisper."""
    pieces = [f" {word}" for word in sentence.split()] if " " in sentence or sentence.isascii() else list(sentence)
    words = tuple(Word(piece, place, place + 1, probability) for place, piece in enumerate(pieces))
    return Hypothesis("a", 0, 1, words, avg_logprob=avg_logprob, no_speech_probability=no_speech)


def unknown(sentence: str) -> Hypothesis:
    """Return the same hypothesis from an engine without probabilities."""
    return recognized(sentence, avg_logprob=None, no_speech=None)


def verdict(
    hypothesis: Hypothesis,
    seconds: float = 3.0,
    *,
    audio: Float32 | None = None,
    kind: RequestKind = RequestKind.FINAL,
    settings: GuardSettings | None = None,
) -> Verdict:
    audio = VOICE[: s_to_samples(seconds)] if audio is None else audio
    return judge(request(audio, kind), hypothesis, settings or GuardSettings())


def left(made: Verdict) -> str:
    return "".join(word.text for word in made.words).strip()


# --- spoken words ---------------------------------------------------------------------------------------------------

SPOKEN = [
    ("Yes.", 0.6),
    ("No.", 0.5),
    ("you", 0.5),
    ("Bye.", 0.6),
    ("no no no no", 1.2),
    ("no no no no no no no no no no", 2.5),
    ("ha ha ha", 0.9),
    ("ha ha ha ha ha ha ha ha", 2.0),
    ("very very very very good", 1.6),
    ("one one one one", 1.5),
    ("zero zero zero zero zero zero zero zero", 4.0),
    ("one two one two one two one two", 4.0),
    ("0800 00 00", 2.5),
    ("My number is 0800 000 00 00 00.", 4.0),
    ("1,000,000,000,000,000", 1.5),
    ("I don't know, I don't know, I don't know!", 2.0),
    ("Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream.", 9.0),
    ("What do we want? When do we want it? What do we want? When do we want it? What do we want? Now!", 9.0),
    ("Thank you.", 0.8),
    ("Thank you very much.", 1.1),
    ("Thank you. Thank you. Thank you.", 2.4),
    ("Thanks for watching!", 1.4),
    ("And that is how it works. Thanks for watching!", 3.0),
    ("Please subscribe.", 1.2),
    ("The subtitles by Anna are better than those on amara.org.", 4.0),
    ("We caption our talks on amara.org.", 2.5),
    ("Vielen Dank.", 0.8),
    ("Untertitel von Anna Schmidt", 1.8),
    ("Donaudampfschifffahrtsgesellschaftskapitän", 2.0),
    ("Merci.", 0.5),
    ("Oui oui oui oui.", 1.0),
    ("Gracias.", 0.6),
    ("Nei, nei, nei, nei, nei!", 1.5),
    ("Спасибо.", 0.7),
    ("да да да да", 1.0),
    ("谢谢大家", 0.9),
    ("对对对对对对", 1.2),
    ("哈哈哈哈哈哈哈哈", 1.5),
    ("广州市房地产中介协会分析", 2.2),
    ("はいはいはいはい", 1.0),
    ("ありがとうございました", 1.3),
    ("真っ昼間なのにキャンプの外れの電柱に電球がともっていた", 4.5),
    ("거실 불 켜줘.", 1.3),
    ("네네네네", 0.9),
    ("감사합니다.", 0.8),
]


@pytest.mark.parametrize(("sentence", "seconds"), SPOKEN)
def test_clear_speech_is_kept(sentence: str, seconds: float) -> None:
    hypothesis = recognized(sentence)
    assert verdict(hypothesis, seconds) == Verdict(Action.KEEP, (), hypothesis.words)


@pytest.mark.parametrize(("sentence", "seconds"), SPOKEN)
def test_an_engine_that_gives_no_probabilities_loses_no_word(sentence: str, seconds: float) -> None:
    assert verdict(unknown(sentence), seconds).action is Action.KEEP


def test_an_empty_hypothesis_is_kept() -> None:
    assert verdict(recognized(""), audio=silence(1.0)) == Verdict(Action.KEEP, (), ())


def test_a_doubtful_no_speech_alone_takes_nothing_away() -> None:
    assert verdict(recognized("good morning", no_speech=0.95)).action is Action.KEEP


def test_the_fastest_talker_on_record_is_kept() -> None:
    assert (
        verdict(recognized(" ".join(["words", "are", "said", "like", "this", "by", "her"] * 3)), 2.0).action
        is Action.KEEP
    )


# --- hallucinated words ---------------------------------------------------------------------------------------------

INVENTED = [
    ("Thank you.", Reason.SILENCE_PHRASE),
    ("Thank you. Thank you.", Reason.SILENCE_PHRASE),
    ("Thanks for watching!", Reason.SILENCE_PHRASE),
    ("you", Reason.SILENCE_PHRASE),
    ("Subtitles by Steve", Reason.SILENCE_PHRASE),
    ("amara.org", Reason.SILENCE_PHRASE),
    ("Untertitel von Stephanie Geiges", Reason.SILENCE_PHRASE),
    ("Vielen Dank fürs Zuschauen!", Reason.SILENCE_PHRASE),
    ("Sous-titres par Juanfrance", Reason.SILENCE_PHRASE),
    ("Subtítulos por María", Reason.SILENCE_PHRASE),
    ("¡Suscríbete al canal!", Reason.SILENCE_PHRASE),
    ("Legendas por TIAGO ANDERSON", Reason.SILENCE_PHRASE),
    ("Продолжение следует...", Reason.SILENCE_PHRASE),
    ("字幕by索兰娅", Reason.SILENCE_PHRASE),
    ("谢谢观看", Reason.SILENCE_PHRASE),
    ("ご視聴ありがとうございました。", Reason.SILENCE_PHRASE),
    ("시청해주셔서 감사합니다.", Reason.SILENCE_PHRASE),
]

CREDITS = [
    "Subtitles by the Amara.org community",
    "Untertitel der Amara.org-Community",
    "Untertitelung aufgrund der Amara.org-Community",
    "Untertitelung im Auftrag des ZDF für funk, 2017",
    "Ondertitels ingediend door de Amara.org gemeenschap",
    "Sous-titres réalisés par la communauté d'Amara.org",
    "Sous-titrage ST' 501",
    "Subtítulos realizados por la comunidad de Amara.org",
    "Legendas pela comunidade Amara.org",
    "Sottotitoli creati dalla comunità Amara.org",
    "Napisy stworzone przez społeczność Amara.org",
    "Субтитры сделал DimaTorzok",
    "Phụ đề được thực hiện bởi cộng đồng Amara.org",
    "字幕由Amara.org社区提供",
    "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
    "...",
    "♪♪♪",
]


@pytest.mark.parametrize(("sentence", "reason"), INVENTED)
@pytest.mark.parametrize("why", ["unsure", "quiet", "no speech", "short"])
def test_a_phrase_of_silence_is_dropped_where_something_else_speaks_against_it(
    sentence: str, reason: Reason, why: str
) -> None:
    hypothesis = recognized(sentence)
    audio = VOICE[: s_to_samples(3.0)]
    if why == "unsure":
        hypothesis = replace(hypothesis, avg_logprob=UNSURE)
    elif why == "no speech":
        hypothesis = replace(hypothesis, no_speech_probability=0.9)
    elif why == "quiet":
        audio = noise(3.0, amplitude=0.002)
    else:
        audio = VOICE[: s_to_samples(0.05)]
    made = verdict(hypothesis, audio=audio)
    assert reason in made.reasons
    assert (made.action, made.words) == (Action.DROP, ())


@pytest.mark.parametrize("sentence", CREDITS)
def test_a_subtitler_s_credit_is_dropped_however_sure_the_engine_is(sentence: str) -> None:
    assert verdict(unknown(sentence)) == Verdict(Action.DROP, (Reason.SILENCE_PHRASE,), ())


def test_no_speech_and_doubtful_words_are_dropped() -> None:
    made = verdict(recognized("so what is the", avg_logprob=UNSURE, no_speech=0.8))
    assert made == Verdict(Action.DROP, (Reason.NO_SPEECH, Reason.LOW_CONFIDENCE), ())


def test_a_word_s_own_probability_counts_where_the_end_of_text_hides_it() -> None:
    made = verdict(recognized("five", avg_logprob=-0.66, no_speech=0.99, probability=0.27))
    assert Reason.NO_SPEECH in made.reasons


def test_no_speech_in_quiet_audio_is_dropped() -> None:
    made = verdict(recognized("seven", no_speech=0.98), audio=noise(2.0, amplitude=0.002))
    assert made.reasons == (Reason.NO_SPEECH,)


@pytest.mark.parametrize("hypothesis", [recognized("good morning"), unknown("good morning")])
def test_words_in_digital_silence_are_dropped_however_certain(hypothesis: Hypothesis) -> None:
    assert verdict(hypothesis, audio=silence(2.0)).reasons == (Reason.NO_SPEECH,)


def test_doubtful_words_are_flagged_and_stay() -> None:
    hypothesis = recognized("the rain in spain", avg_logprob=UNSURE)
    assert verdict(hypothesis) == Verdict(Action.FLAG, (Reason.LOW_CONFIDENCE,), hypothesis.words)


@pytest.mark.parametrize(
    "sentence",
    [
        "Thank you for watching and I will see you in the next video about all that.",
        "我们今天来看一看这个问题到底是怎么回事儿吧朋友们",
        "次回の動画でまたお会いしましょうそれではさようなら",
    ],
)
def test_more_than_can_be_spoken_is_dropped(sentence: str) -> None:
    made = verdict(unknown(sentence), 0.6)
    assert made == Verdict(Action.DROP, (Reason.TOO_FAST,), ())


# --- utterances that the client ends --------------------------------------------------------------------------------


def test_where_the_detector_finds_no_speech_doubtful_words_are_dropped() -> None:
    silent, doubtful, voiced = (replace(request(VOICE[:48_000]), speech_probability=p) for p in (0.02, 0.2, 0.4))
    likely, unlikely = (
        recognized("You're my hero!", avg_logprob=-0.8),
        recognized("You're my hero!", avg_logprob=UNSURE),
    )

    assert judge(silent, likely, GuardSettings()) == Verdict(Action.DROP, (Reason.NO_SPEECH,), ())
    assert judge(doubtful, likely, GuardSettings()).action is Action.KEEP
    assert judge(doubtful, unlikely, GuardSettings()).action is Action.DROP
    assert judge(voiced, unlikely, GuardSettings()).action is Action.FLAG


def test_a_speaker_whom_the_detector_misses_is_kept_where_the_engine_is_certain() -> None:
    missed = replace(request(VOICE[:48_000]), speech_probability=0.0)
    certain = recognized("He could wait no longer.", avg_logprob=-0.3, probability=None)

    assert judge(missed, certain, GuardSettings()).action is Action.KEEP
    assert judge(missed, unknown("He could wait no longer."), GuardSettings()).action is Action.KEEP


def test_hopeless_words_are_dropped_though_music_passes_for_speech() -> None:
    music = replace(request(VOICE[:48_000]), speech_probability=0.9)
    made = judge(music, recognized("I'm not going to talk about it.", avg_logprob=-1.8), GuardSettings())
    assert (made.action, made.reasons) == (Action.DROP, (Reason.NO_SPEECH, Reason.LOW_CONFIDENCE))


@pytest.mark.parametrize("sentence", ["Music by Anna Schmidt", "Thank you very much.", "music playing"])
def test_a_phrase_of_silence_without_speech_is_dropped_however_certain(sentence: str) -> None:
    missed = replace(request(VOICE[:48_000]), speech_probability=0.0)
    assert judge(missed, unknown(sentence), GuardSettings()).reasons == (Reason.SILENCE_PHRASE,)


def test_prompt_words_that_were_not_spoken_are_dropped() -> None:
    asked = replace(request(VOICE[:48_000]), prompt="The assistant is called Jarvis.", speech_probability=0.2)

    assert judge(asked, unknown("The assistant is called Jarvis."), GuardSettings()).reasons == (Reason.PROMPT,)
    assert judge(asked, recognized("Jarvis.", avg_logprob=UNSURE), GuardSettings()).action is Action.DROP
    assert judge(asked, unknown("Call the doctor, Jarvis."), GuardSettings()).action is Action.KEEP


def test_spoken_prompt_words_are_kept() -> None:
    asked = replace(request(VOICE[:48_000]), prompt="The assistant is called Jarvis.", speech_probability=0.9)
    for hypothesis in (recognized("The assistant is called Jarvis."), unknown("The assistant is called Jarvis.")):
        assert judge(asked, hypothesis, GuardSettings()).action is Action.KEEP


# --- words that have no time ----------------------------------------------------------------------------------------


def timed(*words: tuple[str, float, float]) -> Hypothesis:
    """Return a hypothesis of words with their start and end in seconds."""
    spans = tuple(Word(f" {text}", s_to_samples(start), s_to_samples(end), 0.9) for text, start, end in words)
    return Hypothesis("a", 0, 1, spans, avg_logprob=SURE, no_speech_probability=0.1)


ONCE = [
    ("The", 0.3, 0.7),
    ("smell", 0.7, 1.5),
    ("of", 1.5, 1.5),
    ("old", 1.5, 1.9),
    ("beer", 1.9, 2.1),
    ("lingers.", 2.1, 2.7),
]


def test_a_sentence_repeated_in_no_time_is_kept_once() -> None:
    again = [(text, 2.7, 2.7) for text, _, _ in ONCE]
    made = verdict(timed(*ONCE, *again))
    assert (made.action, made.reasons) == (Action.DROP, (Reason.TOO_FAST,))
    assert made.words == timed(*ONCE).words


def test_a_sentence_spoken_twice_is_kept_twice() -> None:
    again = [(text, start + 2.7, end + 2.7) for text, start, end in ONCE]
    assert verdict(timed(*ONCE, *again), 6.0).action is Action.KEEP


@pytest.mark.parametrize("count", [1, 2])
def test_a_word_or_two_without_length_stay(count: int) -> None:
    assert verdict(timed(*ONCE, *[("again", 2.7, 2.7)] * count)).action is Action.KEEP


def test_estimated_times_are_no_evidence() -> None:
    words = tuple(replace(word, probability=None) for word in timed(*ONCE, *[("again", 2.7, 2.7)] * 6).words)
    assert verdict(replace(timed(), words=words)).action is Action.KEEP


# --- loops ----------------------------------------------------------------------------------------------------------

LOOPS = [
    ("okay " * 20, "okay"),
    ("we go on " + "and on and off " * 20, "we go on and on and off"),
    ("So the first thing is this. " + "I don't know. " * 12, "So the first thing is this. I don't know."),
    ("I don't know. " * 9 + "I don", "I don't know."),
    (
        "Here it is. " + "Thanks for watching and see you in the next one. " * 6 + "Bye.",
        "Here it is. Thanks for watching and see you in the next one. Bye.",
    ),
    ("Ja, " * 30, "Ja,"),
    ("да, " * 30, "да,"),
    ("谢谢" * 30, "谢"),
    ("我们开始吧" + "好的" * 30, "我们开始吧好的"),
    ("ご視聴" * 10, "ご視聴"),
    ("네 " * 30, "네"),
    ("four " * 20 + "eight " * 20, "four eight"),
    ("a" * 200, ""),
]


@pytest.mark.parametrize(("sentence", "rest"), LOOPS)
def test_the_unit_of_a_loop_is_kept_once_with_the_text_around_it(sentence: str, rest: str) -> None:
    made = verdict(unknown(sentence), 25.0)
    assert (made.action, made.reasons) == (Action.DROP, (Reason.LOOP,))
    assert left(made) == rest


@pytest.mark.parametrize(("sentence", "_rest"), LOOPS)
def test_a_looping_partial_is_dropped(sentence: str, _rest: str) -> None:
    assert verdict(unknown(sentence), 5.0, kind=RequestKind.PARTIAL).reasons == (Reason.LOOP,)


def test_a_loop_of_a_phrase_of_silence_leaves_nothing() -> None:
    made = verdict(recognized("Thank you. " * 20), 25.0)
    assert made == Verdict(Action.DROP, (Reason.LOOP, Reason.SILENCE_PHRASE), ())


def test_the_words_kept_of_a_loop_keep_their_times() -> None:
    hypothesis = recognized("so " + "it is what it is " * 9)
    assert verdict(hypothesis, 25.0).words == hypothesis.words[:6]


@pytest.mark.parametrize("hypothesis", [recognized(s, avg_logprob=-3.0, no_speech=1.0) for s, _ in INVENTED])
def test_partials_are_judged_for_loops_alone(hypothesis: Hypothesis) -> None:
    assert verdict(hypothesis, audio=silence(0.1), kind=RequestKind.PARTIAL).action is Action.KEEP


# --- settings -------------------------------------------------------------------------------------------------------


MODES: tuple[tuple[GuardMode, Action], ...] = (("off", Action.KEEP), ("flag", Action.FLAG), ("drop", Action.DROP))


@pytest.mark.parametrize(("mode", "action"), MODES)
def test_each_reason_can_be_off_flagged_or_dropped(mode: GuardMode, action: Action) -> None:
    cases = [
        (unknown("okay " * 30), VOICE, GuardSettings(loop=mode)),
        (recognized("hi"), silence(1.0), GuardSettings(no_speech=mode)),
        (recognized("so fast is nobody " * 2), VOICE[:800], GuardSettings(too_fast=mode)),
        (timed(*ONCE, *[("again", 2.7, 2.7)] * 6), VOICE, GuardSettings(too_fast=mode, loop="off")),
        (recognized("..."), VOICE, GuardSettings(silence_phrase=mode)),
        (recognized("hi", avg_logprob=UNSURE), VOICE, GuardSettings(low_confidence=mode)),
    ]
    for hypothesis, audio, settings in cases:
        made = verdict(hypothesis, audio=audio, settings=settings)
        assert made.action is action
        assert bool(made.reasons) == (mode != "off")
        assert mode == "drop" or made.words == hypothesis.words


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("loop", "on"),
        ("no_speech_probability", 1.5),
        ("no_speech_probability", -0.1),
        ("least_avg_logprob", 0.5),
        ("compression_ratio", 0.5),
        ("loop_bytes", 0),
        ("syllables_per_s", 0.0),
        ("doubtful_speech_probability", 1.5),
        ("hopeless_avg_logprob", -0.5),
        ("least_speech_probability", -0.1),
        ("least_speech_probability", 0.5),
        ("quiet_dbfs", 3.0),
        ("quiet_dbfs", float("nan")),
    ],
)
def test_impossible_settings_are_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        GuardSettings(**{field: value})  # type: ignore[arg-type]  # wrong on purpose


# --- any input ------------------------------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from([" no", " thank", " you", "谢", "谢", " amara.org", " untertitel", "…", " 00"]),
)
NUMBERS = st.one_of(st.none(), st.floats())
HYPOTHESES = st.builds(
    lambda texts, repeats, *fields: Hypothesis("a", 0, 1, tuple(texts) * repeats, None, *fields),
    st.lists(st.builds(Word, TEXTS, st.just(0), st.just(1), NUMBERS), max_size=6),
    st.integers(0, 30),
    NUMBERS,
    NUMBERS,
)
SOUNDS = st.builds(
    lambda seconds, amplitude, bad: np.append(noise(seconds, amplitude), np.float32(bad)),
    st.floats(0.0, 1.0),
    st.sampled_from([0.0, 1e-4, 0.003, 0.01, 0.3]),
    st.sampled_from([0.0, float("nan"), float("inf"), 3e38]),
)
KINDS = st.sampled_from(RequestKind)


@given(HYPOTHESES, SOUNDS, KINDS)
def test_any_hypothesis_has_a_verdict_and_always_the_same(
    hypothesis: Hypothesis, audio: Float32, kind: RequestKind
) -> None:
    made = verdict(hypothesis, audio=audio, kind=kind)
    assert verdict(hypothesis, audio=audio.copy(), kind=kind) == made
    assert (made.action is Action.KEEP) == (not made.reasons)
    assert made.action is Action.DROP or made.words == hypothesis.words
    # The remaining words are a subsequence of the hypothesis.
    remaining = iter(hypothesis.words)
    assert all(word in remaining for word in made.words)


@given(HYPOTHESES, SOUNDS, KINDS, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_surrounding_silence_changes_no_verdict_of_keep(
    hypothesis: Hypothesis, audio: Float32, kind: RequestKind, before_s: float, after_s: float
) -> None:
    if verdict(hypothesis, audio=audio, kind=kind).action is Action.KEEP:
        padded = np.concatenate([silence(before_s), audio, silence(after_s)])
        assert verdict(hypothesis, audio=padded, kind=kind).action is Action.KEEP


@given(HYPOTHESES, KINDS)
def test_no_loop_remains_after_filtering(hypothesis: Hypothesis, kind: RequestKind) -> None:
    made = verdict(hypothesis, kind=kind)
    again = verdict(replace(hypothesis, words=made.words), kind=kind)
    assert Reason.LOOP not in again.reasons


# --- with the digits model ------------------------------------------------------------------------------------------


async def receive(recordings: Sequence[Float32]) -> list[tuple[DecodeRequest, Hypothesis]]:
    """Return the hypotheses of the digits model; skip the test if it is missing."""
    model = digits_model()
    if model is None:
        pytest.skip("the digits model is not to be had here")
    engine = create(EngineSettings(model=str(model), device="cpu", cpu_threads=1))
    requests = [replace(request(audio), utterance_id=place, language="en") for place, audio in enumerate(recordings)]
    answers = await engine.decode(requests)
    await engine.aclose()
    return [(asked, answer) for asked, answer in zip(requests, answers, strict=True) if isinstance(answer, Hypothesis)]


def in_pieces(audio: Float32, seconds: float) -> list[Float32]:
    ends = [*range(0, len(audio), s_to_samples(seconds)), len(audio)]
    return [audio[start:end] for start, end in pairwise(ends)]


def listed_digits() -> list[tuple[Path, str]]:
    listed = json.loads(recording_path("manifest.json").read_text(encoding="utf-8"))
    return [(Path(entry["file"]), entry["text"]) for entry in listed if entry["file"].startswith("digits/")]


@pytest.mark.parametrize(
    ("name", "most_left"),
    [
        ("noise_humming_engine.flac", 0.0),
        ("noise_office_ambience.flac", 0.6),
        ("music_trumpet.flac", 0.0),
        ("music_vibe_ace.flac", 0.75),
    ],
)
async def test_most_words_hallucinated_in_noise_are_dropped(name: str, most_left: float) -> None:
    answers = await receive(in_pieces(recording(name)[: s_to_samples(60)], 5.0))
    invented = sum(len(hypothesis.words) for _, hypothesis in answers)
    remaining = sum(len(judge(asked, hypothesis, GuardSettings()).words) for asked, hypothesis in answers)
    assert invented
    assert remaining <= most_left * invented


async def test_no_spoken_digit_is_lost() -> None:
    answers = await receive([recording(str(path)) for path, _ in listed_digits()])
    assert sum(len(hypothesis.words) for _, hypothesis in answers) > 200
    assert [judge(asked, hypothesis, GuardSettings()).words for asked, hypothesis in answers] == [
        hypothesis.words for _, hypothesis in answers
    ]
    assert all(len(asked.samples) > SAMPLE_RATE_HZ for asked, _ in answers)
