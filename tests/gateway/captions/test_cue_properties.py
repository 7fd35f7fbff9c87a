"""Properties of all cues, for any words and any changes of the hypotheses."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoder.types import Transcript, Word
from gateway.captions.cue_builder import PROFILES, CueBuilder, CueProfile
from gateway.captions.cue_profiles import to_latin
from gateway.text import join_lines, text_width
from gateway.wire.cue import Cue, CueState

TINY = CueProfile("tiny", 8, 2, comfortable_cps=10.0, min_duration_s=0.5, max_duration_s=2.0, gap_s=0.08)
SHORTEST_SAMPLES = 640

# Sessions are large, and a busy machine is no failure.
always = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

Step = tuple[Transcript, int, str | None]

english = st.sampled_from(
    [
        " the",
        " a",
        " fox,",
        " and",
        " dog.",
        " river",
        " because",
        " (of)",
        " water!",
        " you're",
        " 20",
        " well-",
        " Mr.",
    ]
)
odd = st.sampled_from(
    [
        ",000",
        "known",
        " ",
        "",
        "?",
        " ?",
        "\u00a0!",
        " Donau" + "dampf" * 12,
        "x" * 70,
        " two words ",
        "\n",
        "e\u0301",
        " «",
    ]
)
cjk = st.text("今日はいい天気ですね。、「」ー你好世界한국어", min_size=1, max_size=12)
word_texts = st.one_of(english, english, english, cjk, odd, st.text(max_size=6))


@st.composite
def words(draw: st.DrawFn, max_size: int = 30) -> tuple[Word, ...]:
    """Mostly speech that goes on; sometimes stamps that jump, stand still or run backwards."""
    at = draw(st.integers(0, 200_000))
    spoken: list[Word] = []
    for text in draw(st.lists(word_texts, max_size=max_size)):
        duration = draw(st.sampled_from([0, 1, 1600, 4800, 9600]) | st.integers(0, 120_000))
        spoken.append(Word(text, at, at + duration))
        at = max(0, at + draw(st.sampled_from([duration, duration + 3200]) | st.integers(-50_000, 100_000)))
    return tuple(spoken)


@st.composite
def utterances(draw: st.DrawFn, utterance_id: int) -> list[Step]:
    """Transcripts whose committed words only grow and whose tails change as they like, and a final of any words."""
    spoken = draw(words())
    language = draw(st.sampled_from([None, "en", "de", "ja", "zh"]))
    counts = sorted(draw(st.lists(st.integers(0, len(spoken)), max_size=8)))
    steps: list[Step] = []
    for revision, count in enumerate(counts, start=1):
        guessed = draw(st.integers(count, len(spoken)))
        tail = spoken[count:guessed] + draw(st.just(()) | words(max_size=4))
        steps.append((Transcript(utterance_id, revision, spoken[:count], tail, False), draw(decoded(tail)), language))
    last = draw(finals_of(spoken))
    steps.append((Transcript(utterance_id, len(counts) + 1, last, (), True), draw(decoded(last)), language))
    return steps


@st.composite
def finals_of(draw: st.DrawFn, spoken: tuple[Word, ...]) -> tuple[Word, ...]:
    """Mostly what was partial, with new times or a stretch of other words; or something else altogether."""
    if draw(st.booleans()):
        spoken = tuple(replace(word, start_sample=word.start_sample // 2) for word in spoken)
    start = draw(st.integers(0, len(spoken)))
    end = draw(st.integers(start, len(spoken)))
    corrected = spoken[:start] + draw(words(max_size=4)) + spoken[end:]
    return draw(st.sampled_from([spoken, spoken, corrected, corrected, draw(words())]))


def decoded(spoken: tuple[Word, ...]) -> st.SearchStrategy[int]:
    end_sample = max((word.end_sample for word in spoken), default=0)
    return st.just(end_sample + 8000) | st.integers(0, 500_000)


@st.composite
def sessions(draw: st.DrawFn) -> list[Step]:
    return [step for utterance_id in range(draw(st.integers(1, 3))) for step in draw(utterances(utterance_id))]


profiles = st.sampled_from([*PROFILES.values(), TINY, TINY])


@dataclass(frozen=True)
class EmittedUpdate:
    """One update and what it brought."""

    transcript: Transcript
    audio_end_sample: int
    cues: list[Cue]


def emitted(profile: CueProfile, session: Iterable[Step]) -> list[EmittedUpdate]:
    builder = CueBuilder(profile)
    return [EmittedUpdate(step[0], step[1], builder.update(*step)) for step in session]


def finals(updates: Iterable[EmittedUpdate]) -> list[Cue]:
    return [cue for update in updates for cue in update.cues if cue.state is CueState.FINAL]


def visible(text: str) -> str:
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cc")


def written(profile: CueProfile, spoken: Iterable[Word]) -> str:
    return visible("".join(to_latin(word.text) if profile.latin_only else word.text for word in spoken))


@always
@given(profiles, sessions())
def test_finals_hold_every_word_once(profile: CueProfile, session: list[Step]) -> None:
    updates = emitted(profile, session)
    for update in updates:
        if update.transcript.is_final:
            lines = [
                line
                for cue in finals(updates)
                if cue.utterance_id == update.transcript.utterance_id
                for line in cue.lines
            ]
            assert visible("".join(lines)) == written(profile, update.transcript.committed)


@always
@given(profiles, st.lists(english, min_size=1, max_size=60), st.data())
def test_final_lines_joined_with_spaces_are_the_text(
    profile: CueProfile, texts: list[str], data: st.DataObject
) -> None:
    spoken = tuple(Word(text, i * 4000, (i + 1) * 4000) for i, text in enumerate(texts))
    count = data.draw(st.integers(0, len(spoken)))
    session: list[Step] = [(Transcript(0, 1, spoken[:count], spoken[count:], False), 300_000, "en")]
    session.append((Transcript(0, 2, spoken, (), True), 300_000, "en"))

    assert join_lines(line for cue in finals(emitted(profile, session)) for line in cue.lines) == "".join(texts).strip()


@always
@given(profiles, sessions())
def test_finals_are_in_order_and_apart_in_the_whole_session(profile: CueProfile, session: list[Step]) -> None:
    cues = finals(emitted(profile, session))
    gap_samples = round(profile.gap_s * 16_000)

    assert all(cue.start_sample >= 0 for cue in cues)
    assert all(earlier.end_sample + gap_samples <= later.start_sample for earlier, later in pairwise(cues))
    assert len({cue.cue_id for cue in cues}) == len(cues)


@always
@given(profiles, sessions())
def test_every_cue_lasts_long_enough_to_be_read_and_not_too_long(profile: CueProfile, session: list[Step]) -> None:
    for update in emitted(profile, session):
        for cue in update.cues:
            duration_samples = cue.end_sample - cue.start_sample
            assert duration_samples >= SHORTEST_SAMPLES
            assert profile.max_duration_s is None or duration_samples <= profile.max_duration_s * 16_000
            assert cue.end_sample <= update.audio_end_sample or duration_samples == SHORTEST_SAMPLES or not cue.lines


@always
@given(profiles, sessions())
def test_lines_fit_the_profile(profile: CueProfile, session: list[Step]) -> None:
    for update in emitted(profile, session):
        for cue in update.cues:
            assert len(cue.lines) <= profile.max_lines
            assert all(0 <= text_width(line) <= profile.max_chars_per_line for line in cue.lines)
            assert all(line and line == line.strip() and "\n" not in line for line in cue.lines)
            assert cue.lines or cue.state is CueState.PARTIAL


@always
@given(profiles, sessions())
def test_stable_characters_only_grow_until_the_final(profile: CueProfile, session: list[Step]) -> None:
    stable: dict[str, str] = {}
    for update in emitted(profile, session):
        for cue in update.cues:
            text = "\n".join(cue.lines)
            if update.transcript.is_final:
                assert cue.stable_chars == len(text)
            else:
                assert text.startswith(stable.get(cue.cue_id, ""))
                assert len(stable.get(cue.cue_id, "")) <= cue.stable_chars <= len(text)
            stable[cue.cue_id] = text[: cue.stable_chars]


@always
@given(profiles, sessions())
def test_cues_are_final_with_their_utterance_and_not_before(profile: CueProfile, session: list[Step]) -> None:
    for update in emitted(profile, session):
        states = {cue.state for cue in update.cues if cue.lines}
        assert states <= {CueState.FINAL if update.transcript.is_final else CueState.PARTIAL}


@always
@given(profiles, sessions())
def test_cues_of_an_utterance_are_numbered_by_their_order_on_the_time_line(
    profile: CueProfile, session: list[Step]
) -> None:
    displayed: dict[int, dict[int, Cue]] = {}
    for update in emitted(profile, session):
        utterance_id = update.transcript.utterance_id
        cues = displayed.setdefault(utterance_id, {})
        cues |= {int(cue.cue_id.removeprefix(f"{utterance_id}.")): cue for cue in update.cues}
        visible_ones = [number for number, cue in cues.items() if cue.lines]
        assert sorted(visible_ones) == list(range(1, len(visible_ones) + 1))
        in_order = [cues[number] for number in sorted(visible_ones)]
        assert all(earlier.end_sample <= later.start_sample for earlier, later in pairwise(in_order))


@always
@given(profiles, sessions())
def test_a_cue_is_final_once_and_only_changes_are_emitted(profile: CueProfile, session: list[Step]) -> None:
    latest: dict[str, Cue] = {}
    for update in emitted(profile, session):
        assert [cue.cue_id for cue in update.cues] == sorted(
            (c.cue_id for c in update.cues), key=lambda i: int(i.split(".")[1])
        )
        for cue in update.cues:
            before = latest.get(cue.cue_id)
            if before is not None:
                assert before.state is CueState.PARTIAL
                assert before.revision < cue.revision
                assert replace(before, revision=cue.revision) != cue
            latest[cue.cue_id] = cue
        if update.transcript.is_final:
            assert all(cue.state is CueState.FINAL or not cue.lines for cue in latest.values())


def breaks(lines: Iterable[str]) -> set[int]:
    """Return after how many visible characters each line but the last ends."""
    lengths = [len(visible(line)) for line in lines]
    return {sum(lengths[:count]) for count in range(1, len(lengths))}


@always
@given(profiles, sessions())
def test_a_line_break_of_partial_cues_stays_while_the_words_before_it_do(
    profile: CueProfile, session: list[Step]
) -> None:
    displayed: dict[str, Cue] = {}
    before: tuple[Word, ...] = ()
    for update in emitted(profile, session):
        if update.transcript.is_final:
            displayed, before = {}, ()
            continue
        spoken = update.transcript.committed + update.transcript.tail
        old = breaks(line for cue in displayed.values() for line in cue.lines)
        displayed |= {cue.cue_id: cue for cue in update.cues}
        new = breaks(line for cue in displayed.values() for line in cue.lines)
        kept, total = unchanged_chars(profile, before, spoken), len(written(profile, spoken))
        assert {position for position in old if position <= kept and position < total} <= new
        before = spoken


def unchanged_chars(profile: CueProfile, before: tuple[Word, ...], spoken: tuple[Word, ...]) -> int:
    """Return how many visible characters the words have that both begin with."""
    unchanged = next(
        (i for i, (a, b) in enumerate(zip(before, spoken, strict=False)) if a.text != b.text),
        min(len(before), len(spoken)),
    )
    return len(written(profile, spoken[:unchanged]))


@always
@given(profiles, sessions())
def test_a_final_leaves_the_cues_before_the_last_two_as_they_are_where_it_has_the_same_words(
    profile: CueProfile, session: list[Step]
) -> None:
    displayed: dict[str, Cue] = {}
    before: tuple[Word, ...] = ()
    for update in emitted(profile, session):
        spoken = update.transcript.committed + update.transcript.tail
        if update.transcript.is_final:
            chars, kept = 0, unchanged_chars(profile, before, spoken)
            stay = [cue for cue in displayed.values() if cue.lines][:-2]
            now = {cue.cue_id: cue.lines for cue in update.cues}
            divided_again = [cue.cue_id for cue in update.cues if cue.lines][-2:]
            for cue in stay:
                chars += len(visible("".join(cue.lines)))
                assert chars >= kept or now[cue.cue_id] == cue.lines or cue.cue_id in divided_again
            displayed, before = {}, ()
        else:
            displayed |= {cue.cue_id: cue for cue in update.cues}
            before = spoken


@always
@given(profiles, sessions())
def test_the_same_transcripts_make_the_same_cues(profile: CueProfile, session: list[Step]) -> None:
    assert emitted(profile, session) == emitted(profile, session)
