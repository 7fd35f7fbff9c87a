"""Test sets read from disk."""

from pathlib import Path

import pytest

from clients.bench.manifest import ListedWord, TestsetError
from clients.bench.testset import Testset, read_testset
from clients.bench.word_times import WordTimesFile, sha256_of_text, word_times_path, write_word_times
from tests.clients.bench.recordings import timed, write_manifest, write_wav


def prepared(path: Path, text: str, audio_sha256: str, cache: Path | None = None) -> None:
    words = tuple(ListedWord(word, number / 10, number / 10 + 0.1) for number, word in enumerate(text.split()))
    times = WordTimesFile("tiny.en", audio_sha256, sha256_of_text(text), words)
    write_word_times(word_times_path(path, audio_sha256, cache), times)


def audio_sha256(testset: Testset) -> str:
    return testset.recordings[0].entry.audio_sha256


def test_words_of_a_manifest_have_their_times(tmp_path: Path) -> None:
    words = timed(("Red", 0.1, 0.2), ("blue.", 0.2, 0.3))
    write_manifest(tmp_path, {"audio": "a.wav", "language": "en", "words": words, "terms": ["blue"]})

    [recording] = read_testset(tmp_path).recordings

    assert [(word.text, word.ends_speech) for word in recording.reference.words] == [("Red", False), ("blue.", True)]
    assert (recording.entry.times, recording.entry.words, recording.entry.duration_s) == ("manifest", 2, 1.0)
    assert recording.reference.terms == ("blue",)
    assert recording.reference.has_times


def test_without_word_times_only_errors_count_and_a_note_says_so(tmp_path: Path) -> None:
    write_manifest(tmp_path, *({"audio": f"{name}.wav", "text": "Red blue."} for name in "abcde"))

    testset = read_testset(tmp_path)

    assert not any(recording.reference.has_times for recording in testset.recordings)
    assert [word.text for word in testset.recordings[0].reference.words] == ["Red", "blue."]
    assert testset.recordings[0].entry.times == "none"
    assert testset.notes == (
        "a.wav, b.wav, c.wav and 2 more: only errors count, there are no word times (run `livecue bench prepare`)",
    )


@pytest.mark.parametrize("is_cached", [False, True])
def test_prepared_word_times_are_used(tmp_path: Path, is_cached: bool) -> None:
    cache = tmp_path / "cache" if is_cached else None
    write_manifest(tmp_path, {"audio": "a.wav", "text": "Red blue."})
    prepared(tmp_path / "a.wav", "Red blue.", audio_sha256(read_testset(tmp_path)), cache)

    [recording] = read_testset(tmp_path, cache).recordings

    assert recording.entry.times == "aligned (tiny.en)"
    assert [word.start_s for word in recording.reference.words] == [0, 0.1]


def test_word_times_of_another_text_or_recording_are_not_used(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"audio": "a.wav", "text": "Red green."}, {"audio": "b.wav", "text": "Red."})
    prepared(tmp_path / "a.wav", "Red blue.", audio_sha256(read_testset(tmp_path)))
    prepared(tmp_path / "b.wav", "Red.", "another")

    testset = read_testset(tmp_path)

    assert [recording.entry.times for recording in testset.recordings] == ["none", "none"]
    assert testset.notes[0].startswith(
        "a.wav, b.wav: only errors count, the word times are of another recording or text"
    )


def test_recordings_without_speech_are_told_apart(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"audio": "a.wav", "text": "Red."}, {"audio": "hum.wav", "category": "noise"})

    testset = read_testset(tmp_path)

    assert [recording.entry.id for recording in testset.speech] == ["a.wav"]
    [hum] = testset.speechless
    assert (hum.entry.language, hum.entry.times, hum.reference.has_times) == (None, "none", True)


def test_recordings_that_cannot_be_measured_are_left_out_with_a_note(tmp_path: Path) -> None:
    write_manifest(
        tmp_path,
        {"audio": "a.wav", "text": "Red."},
        {"audio": "b.wav", "text": "Red rot.", "language": "en+de"},
        {"audio": "c.wav"},
    )

    testset = read_testset(tmp_path)

    assert len(testset.recordings) == 1
    assert testset.notes[1:] == ("b.wav: left out, speech in several languages", "c.wav: left out, the text is unknown")


def test_scripts_without_spaces_have_characters_as_words(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"audio": "a.wav", "text": "你好。", "language": "zh"})

    assert [word.text for word in read_testset(tmp_path).recordings[0].reference.words] == ["你", "好", "。"]


def test_a_set_is_pinned_by_audio_and_references(tmp_path: Path) -> None:
    def pin(*entries: dict[str, object]) -> str:
        return read_testset(write_manifest(tmp_path, *entries)).entry().sha256

    one: dict[str, object] = {"audio": "a.wav", "text": "Red."}
    other: dict[str, object] = {"audio": "b.wav", "text": "Blue."}
    pinned = pin(one, other)

    assert pin(other, one) == pinned
    assert pin(one, other | {"text": "Pink."}) != pinned
    assert pin(one, other | {"terms": ["Blue"]}) != pinned
    assert pin(one, other | {"language": "de"}) != pinned
    write_wav(tmp_path / "b.wav", 0.5)
    assert pin(one, other) != pinned


def test_an_entry_names_the_set_and_the_normaliser(tmp_path: Path) -> None:
    write_manifest(tmp_path / "talks", {"audio": "a.wav", "text": "Red."})

    entry = read_testset(tmp_path / "talks" / "manifest.json").entry()

    assert entry.name == read_testset(tmp_path / "talks").name == "talks"
    assert entry.normaliser.startswith("whisper-normalizer")
    assert len(entry.normaliser_sha256) == len(entry.recordings[0].audio_sha256) == 64


def test_a_clip_has_the_audio_at_the_rate_of_a_driver(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"audio": "a.wav", "text": "Red."})
    [recording] = read_testset(tmp_path).recordings

    clip = recording.clip(24_000)

    assert clip.reference is recording.reference
    assert len(clip.pcm) == pytest.approx(48_000, abs=2)


def test_a_set_without_texts_is_refused_with_an_example(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav")

    with pytest.raises(TestsetError, match=r"no recording with a text: expected talk\.txt beside talk\.flac"):
        read_testset(tmp_path)


def test_a_recording_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no audio")
    (tmp_path / "a.txt").write_text("Red.")

    with pytest.raises(TestsetError, match=r"a\.wav: not a readable audio or video file"):
        read_testset(tmp_path)


def test_a_listed_recording_that_is_missing_is_named(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"audio": "a.wav", "text": "Red."})
    (tmp_path / "a.wav").unlink()

    with pytest.raises(TestsetError, match=r"a\.wav: .*No such file"):
        read_testset(tmp_path)
