"""Cues from transcripts: text, times and revisions. PURE.

    utterance ──layout──► blocks of lines ──► times (no overlap in the session) ──► revisions

All cues of an utterance are `partial` until its final: then each is emitted once more, as `final`, or is withdrawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from decoder.types import Transcript
from gateway.captions.cue_layout import Block, CueLayout
from gateway.captions.cue_profiles import DEFAULT_PROFILE, PROFILES, CueProfile
from gateway.wire.cue import Cue, CueState
from vad.audio import s_to_samples

__all__ = ["DEFAULT_PROFILE", "PROFILES", "CueBuilder", "CueProfile"]

# A cue shorter than one frame of 25 Hz video would never be displayed; it also survives rounding to milliseconds.
_SHORTEST_S = 0.04


class CueBuilder:
    """Turns the transcripts of one session into cues.

    Utterances are processed one after the other, each until its final. While an utterance is partial, a line break
    stays as long as the words before it do, so text above the last line never moves. The cost of an update depends on
    the length of its utterance only.

    Args:
        profile: of the cues.
        end_sample: end of the last final cue of a resumed session; None: there is none.
    """

    def __init__(self, profile: CueProfile, end_sample: int | None = None) -> None:
        self._profile = profile
        self._shortest_samples = s_to_samples(_SHORTEST_S)
        self._gap_samples = s_to_samples(profile.gap_s)
        self._earliest_sample = 0
        """Earliest start of the next final cue."""
        self._last_final_id: int | None = None
        self._utterance: _Utterance | None = None
        if end_sample is not None:
            self._earliest_sample = end_sample + self._gap_samples

    def update(self, transcript: Transcript, audio_end_sample: int, language: str | None = None) -> list[Cue]:
        """Update the cues of an utterance, and return those that changed, oldest first.

        A final transcript returns all cues of its utterance, then the withdrawn ones. It may contradict partials.

        Args:
            transcript: of the same utterance as the call before, or of a later one once that one is final.
            audio_end_sample: end of the decoded audio; no later utterance begins before it.
            language: ISO 639-1 code of the words, for better line breaks; None: unknown.

        Raises:
            ValueError: the utterance is already final, another one is not yet, or a partial changed committed words.
        """
        utterance = self._utterance_of(transcript.utterance_id)
        blocks = utterance.layout.update(transcript, language)
        utterance.revision = max(transcript.revision, utterance.revision + 1)
        spans = self._spans(blocks, audio_end_sample)
        state = CueState.FINAL if transcript.is_final else CueState.PARTIAL
        changed: list[Cue] = []
        for index, (block, span) in enumerate(zip(blocks, spans, strict=True)):
            changed += utterance.put(index, block, span, state)
        changed += utterance.withdraw_from(len(blocks))
        if transcript.is_final:
            self._last_final_id, self._utterance = transcript.utterance_id, None
            if spans:
                self._earliest_sample = spans[-1][1] + self._gap_samples
        return changed

    def _utterance_of(self, utterance_id: int) -> "_Utterance":
        if self._last_final_id is not None and utterance_id <= self._last_final_id:
            raise ValueError(f"transcript of utterance {utterance_id}: {self._last_final_id} is already final")
        if self._utterance is None:
            self._utterance = _Utterance(utterance_id, CueLayout(self._profile))
        if self._utterance.utterance_id != utterance_id:
            raise ValueError(f"transcript of utterance {utterance_id}: {self._utterance.utterance_id} is not yet final")
        return self._utterance

    def _spans(self, blocks: Sequence[Block], audio_end_sample: int) -> list[tuple[int, int]]:
        """Return the start and end of each block: in order, separated by the gap, within the decoded audio."""
        starts: list[int] = []
        earliest_sample = self._earliest_sample
        for block in blocks:
            # Engines time words past the end of the audio, which would delay all later cues.
            starts.append(max(earliest_sample, min(block.start_sample, audio_end_sample - self._shortest_samples)))
            earliest_sample = starts[-1] + self._shortest_samples + self._gap_samples
        # The next utterance may begin at once: the last cue leaves room for the gap, but is not cut within speech.
        last_limit_sample = audio_end_sample - self._gap_samples
        if blocks:
            last_limit_sample = max(last_limit_sample, min(blocks[-1].end_sample, audio_end_sample))
        limits = [start_sample - self._gap_samples for start_sample in starts[1:]] + [last_limit_sample]
        ends = map(self._end_sample, blocks, starts, limits)
        return list(zip(starts, ends, strict=True))

    def _end_sample(self, block: Block, start_sample: int, limit_sample: int) -> int:
        duration_s = max(self._profile.min_duration_s, self._profile.reading_s(block.lines))
        end_sample = min(max(block.end_sample, start_sample + s_to_samples(duration_s)), limit_sample)
        if self._profile.max_duration_s is not None:
            end_sample = min(end_sample, start_sample + s_to_samples(self._profile.max_duration_s))
        return max(end_sample, start_sample + self._shortest_samples)


@dataclass(slots=True)
class _Utterance:
    """The current utterance, and the last revision of each of its cues."""

    utterance_id: int
    layout: CueLayout
    revision: int = 0
    cues: list[Cue] = field(default_factory=list)

    def put(self, index: int, block: Block, span: tuple[int, int], state: CueState) -> list[Cue]:
        """Return the new revision of a cue, or nothing if it is unchanged."""
        cue_id = f"{self.utterance_id}.{index + 1}"
        cue = Cue(cue_id, self.utterance_id, self.revision, *span, block.lines, block.stable_chars, state)
        if index == len(self.cues):
            self.cues.append(cue)
        elif replace(self.cues[index], revision=self.revision) == cue:
            return []
        self.cues[index] = cue
        return [cue]

    def withdraw_from(self, index: int) -> list[Cue]:
        """Return a withdrawing revision of each visible cue from there on."""
        withdrawn: list[Cue] = []
        for number, cue in enumerate(self.cues[index:], start=index):
            if cue.lines:
                self.cues[number] = replace(cue, revision=self.revision, lines=(), stable_chars=0)
                withdrawn.append(self.cues[number])
        return withdrawn
