"""Make `tests/data/meeting.flac` and its reference text: a short meeting about captions, spoken by two flite voices.

Requires the `flite` command with the voices slt and rms (Debian and Ubuntu: `apt install flite`). The same version of
flite gives the same recording: the room noise is seeded.

    python -m tools.make_meeting_recording    # writes tests/data/meeting.flac and meeting.txt
"""

import argparse
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from vad.audio import SAMPLE_RATE_HZ, Float32

INNER_PAUSE_S = 0.25
"""A short pause within a sentence, shorter than any reasonable end-of-utterance silence. Written `|` below."""

SPEECH_PEAK = 0.16
"""−16 dBFS, typical at some distance from a microphone; louder speech makes a larger file."""

NOISE_RMS = 0.001
"""−60 dBFS, a quiet room: real silence is never digital silence."""

NOISE_POLE = 0.985
"""Room noise is mostly low-frequency, which FLAC can predict: white noise of that level would add 14 kB per second."""

NOISE_SEED = 20

SILENCE_PEAK = 0.01
"""Below this, −40 dBFS, the ends of flite's audio are trimmed as silence, so that only our pauses remain."""

LEAD_IN_S = 0.8
LEAD_OUT_S = 1.2
"""Longer than any end-of-utterance silence."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the meeting.

    Attributes:
        voice: a flite voice.
        text: to speak; `|` is a short pause.
        pause_after_s: silence until the next sentence.
    """

    voice: str
    text: str
    pause_after_s: float


MEETING = (
    Sentence("slt", "Hello, | can everyone hear me?", 1.0),
    Sentence("slt", "Can you read the captions on the screen?", 1.1),
    Sentence("rms", "Yes, | I can see them very well.", 0.8),
    Sentence("rms", "How long does it take before the text is ready?", 1.0),
    Sentence("slt", "It takes less than one second.", 1.2),
    Sentence("rms", "That is very good for people who cannot hear.", 0.9),
    Sentence("slt", "We can save the text | and send it to everyone after the meeting.", 1.4),
    Sentence("rms", "The meeting is over.", 0.0),
)


def speak(voice: str, text: str) -> Float32:
    """Return float32[n] mono 16 kHz: the text in that voice, without leading and trailing silence.

    Raises:
        FileNotFoundError: flite is not installed.
        subprocess.CalledProcessError: flite fails.
        ValueError: the voice has another rate than 16 kHz.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        command = ["flite", "-voice", voice, "-t", text, "-o", str(path)]
        subprocess.run(command, check=True)  # noqa: S603  # our own command
        with wave.open(str(path)) as recording:
            if recording.getframerate() != SAMPLE_RATE_HZ:
                raise ValueError(f"voice {voice!r} has {recording.getframerate()} Hz: expected {SAMPLE_RATE_HZ}")
            pcm = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    samples = pcm.astype(np.float32) / np.float32(np.abs(pcm.astype(np.int32)).max())
    loud = np.flatnonzero(np.abs(samples) > SILENCE_PEAK)
    return np.asarray(samples[loud[0] : loud[-1] + 1] * SPEECH_PEAK, dtype=np.float32)


def record(sentences: tuple[Sentence, ...]) -> Float32:
    """Return the whole meeting, float32[n] mono 16 kHz, with its pauses and room noise."""
    pieces = [_silence(LEAD_IN_S)]
    for sentence in sentences:
        for position, phrase in enumerate(sentence.text.split("|")):
            if position:
                pieces.append(_silence(INNER_PAUSE_S))
            pieces.append(speak(sentence.voice, phrase.strip()))
        pieces.append(_silence(sentence.pause_after_s))
    pieces.append(_silence(LEAD_OUT_S))
    speech = np.concatenate(pieces)
    return np.asarray(speech + _room_noise(len(speech)), dtype=np.float32)


def write_flac(path: Path, samples: Float32) -> None:
    """Write float32[n] mono 16 kHz as 16-bit FLAC."""
    pcm = np.clip(np.rint(samples * (1 << 15)), -(1 << 15), (1 << 15) - 1).astype(np.int16)
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono", options={"compression_level": "12"})
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def reference_text(sentences: tuple[Sentence, ...]) -> str:
    """Return one line per sentence: voice, tab, text."""
    return "".join(f"{sentence.voice}\t{sentence.text.replace(' |', '')}\n" for sentence in sentences)


def main() -> None:
    """Write the recording and its reference text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0], epilog="Requires flite.")
    default = Path(__file__).resolve().parents[1] / "tests" / "data"
    parser.add_argument("--folder", type=Path, default=default, help="where to write (default: %(default)s)")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    samples = record(MEETING)
    write_flac(folder / "meeting.flac", samples)
    (folder / "meeting.txt").write_text(reference_text(MEETING), encoding="utf-8")
    size_bytes = (folder / "meeting.flac").stat().st_size
    print(f"{folder / 'meeting.flac'}: {len(samples) / SAMPLE_RATE_HZ:.1f} s, {size_bytes} bytes")


def _silence(duration_s: float) -> Float32:
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), dtype=np.float32)


def _room_noise(length: int) -> Float32:
    rumble = np.random.default_rng(NOISE_SEED).normal(0.0, NOISE_RMS * np.sqrt(1.0 - NOISE_POLE**2), length)
    for position in range(1, length):
        rumble[position] += NOISE_POLE * rumble[position - 1]
    return rumble.astype(np.float32)


if __name__ == "__main__":
    main()
