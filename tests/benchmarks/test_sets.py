"""Sets of recordings in hand-made folders."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from benchmarks.recordings import SpokenWord
from benchmarks.sets import LEVELS_DBFS, SETS, Recording, Voice, at_level, levels, read_sets, speech_dbfs
from tests.audio import noise, silence, speechlike
from vad.audio import SAMPLE_RATE_HZ, Float32

TEXT = "and so my fellow Americans"


def write_wave(path: Path, audio: Float32) -> Path:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((audio * 32767).astype("<i2").tobytes())
    return path


def folder_of(path: Path, *entries: tuple[str, str, str | None, str | None]) -> Path:
    """Write recordings and their manifest: file, category, language, text."""
    for file, _, _, text in entries:
        write_wave(path / file, speechlike(0.3) if text else noise(0.3))
    listed = [
        {"file": file, "category": category, "language": language, "text": text}
        for file, category, language, text in entries
    ]
    (path / "manifest.json").write_text(json.dumps(listed))
    return path


def names(sets: dict[str, list[Recording]]) -> dict[str, list[str]]:
    return {name: [recording.name for recording in recordings] for name, recordings in sets.items()}


def recording(tmp_path: Path, audio: Float32, name: str = "one.wav") -> Recording:
    return Recording(name, write_wave(tmp_path / name, audio), "en", (Voice(TEXT),))


def test_categories_decide_the_set(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        ("a.wav", "clean", "en", TEXT),
        ("b.wav", "noisy", "en", TEXT),
        ("c.wav", "telephone", "en", TEXT),
        ("d.wav", "long", "en", TEXT),
        ("e.wav", "multilingual", "de", "Schalte das Licht ein"),
        ("f.wav", "vad-labelled", "en", None),
    )

    assert names(read_sets(folder)) == {
        "clean": ["a.wav"],
        "noisy": ["b.wav"],
        "telephone": ["c.wav"],
        "long": ["d.wav"],
        "languages": ["e.wav"],
    }
    assert names(read_sets(folder, ["long", "meetings"])) == {"long": ["d.wav"]}


def test_recordings_that_cannot_be_scored_are_omitted(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        ("no-text.wav", "noisy", "en", None),
        ("digits.wav", "telephone", "en", "three eight six nine oh four"),
        ("two-languages.wav", "multilingual", "en+de", TEXT),
        ("speech-in-silence.wav", "silence", "en", TEXT),
    )
    listed = json.loads((folder / "manifest.json").read_text())
    missing = {"file": "missing.wav", "category": "clean", "language": "en", "text": TEXT}
    (folder / "manifest.json").write_text(json.dumps([*listed, missing]))

    assert read_sets(folder) == {}


def test_recordings_without_speech_are_used_unchanged_and_quiet(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ("hum.wav", "silence", None, None), ("song.wav", "music", None, ""))

    speechless = read_sets(folder)["speechless"]

    assert [recording.name for recording in speechless] == [
        "hum.wav",
        "hum.wav at -55 dBFS",
        "song.wav",
        "song.wav at -55 dBFS",
    ]
    assert [recording.voices for recording in speechless] == [()] * 4
    assert speech_dbfs(speechless[1].read()) == pytest.approx(-55, abs=0.1)


def test_digital_silence_has_one_level(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ("zero.wav", "silence", None, None))
    write_wave(folder / "zero.wav", silence(0.3))

    assert names(read_sets(folder)) == {"speechless": ["zero.wav"]}


def test_meetings_are_recordings_whose_words_have_speakers(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ("meeting.wav", "vad-labelled", "en", None))
    (folder / "labels").mkdir()
    words = [
        {"speaker": "A", "start_s": 0.0, "end_s": 0.1, "text": "So."},
        {"speaker": "B", "start_s": 0.05, "end_s": 0.2, "text": "Mm-hmm."},
        {"speaker": "A", "start_s": 0.1, "end_s": 0.3, "text": "Yeah."},
    ]
    labels = {"source": {"corpus": "one"}, "meeting.wav": {"words": words}, "missing.wav": {"words": words}}
    (folder / "labels" / "our_words.json").write_text(json.dumps(labels))

    [meeting] = read_sets(folder)["meetings"]

    assert meeting.voices == (
        Voice("So. Yeah.", (SpokenWord("So.", 0.0, 0.1), SpokenWord("Yeah.", 0.1, 0.3))),
        Voice("Mm-hmm.", (SpokenWord("Mm-hmm.", 0.05, 0.2),)),
    )


def test_sets_are_read_independently(tmp_path: Path) -> None:
    assert set(read_sets(folder_of(tmp_path, ("a.wav", "clean", "en", TEXT)), SETS)) == {"clean"}


def test_the_level_is_that_of_the_louder_half() -> None:
    audio = np.concatenate([np.full(SAMPLE_RATE_HZ, 0.1, np.float32), silence(1.0)])

    assert speech_dbfs(audio) == pytest.approx(-20)
    assert speech_dbfs(silence(1.0)) is None
    assert speech_dbfs(silence(0.01)) is None


@pytest.mark.parametrize("level_dbfs", [-20, -65])
def test_speech_is_amplified_to_a_level(tmp_path: Path, level_dbfs: int) -> None:
    scaled = at_level(recording(tmp_path, speechlike(1.0)), level_dbfs)

    assert speech_dbfs(scaled.read()) == pytest.approx(level_dbfs, abs=0.01)
    assert scaled.name == f"one.wav at {level_dbfs} dBFS"


def test_digital_silence_has_no_gain(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="digitally silent"):
        at_level(recording(tmp_path, silence(1.0)), -30)


def test_levels_use_a_few_recordings_of_usual_length(tmp_path: Path) -> None:
    clean = [recording(tmp_path, speechlike(4.5), f"{number}.wav") for number in range(7)]
    too_short = recording(tmp_path, speechlike(1.0), "short.wav")

    by_level = levels([too_short, *clean])

    assert tuple(by_level) == LEVELS_DBFS
    assert [recording.path.stem for recording in by_level[-65]] == ["0", "1", "2", "4", "5"]


def test_levels_use_different_folders(tmp_path: Path) -> None:
    files = [*(f"reader/{number}.wav" for number in range(9)), "one.wav", "two.wav", "other/1.wav"]
    clean = [recording(tmp_path, speechlike(4.5), file) for file in files]

    by_level = levels(clean)

    assert {recording.path.name for recording in by_level[-30]} == {"0.wav", "1.wav", "one.wav", "two.wav"}
    assert len(by_level[-30]) == 5


def test_without_recordings_of_a_usual_length_there_are_no_levels(tmp_path: Path) -> None:
    assert not any(levels([recording(tmp_path, speechlike(1.0))]).values())
