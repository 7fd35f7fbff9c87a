"""Assembles a session from its parts."""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import anyio

from gateway.captions.cue_profiles import CueProfile
from gateway.delivery.broadcast import SessionInfo
from gateway.journal.journal import SavedSession
from gateway.journal.recording import Recording
from gateway.session.audio_intake import AudioIntake
from gateway.session.channel_pipelines import SessionPipeline, open_pipeline
from gateway.session.checkpoint import FRESH, Checkpoint
from gateway.session.context import SessionContext
from gateway.session.output import SessionOutput
from gateway.session.pipeline_driver import PipelineDriver
from gateway.session.session_trace import SessionTrace
from gateway.session.stage_options import cue_profile_of
from gateway.session.traced_log import TracedLog, open_trace
from gateway.sinks.sink import SinkTarget
from gateway.wire import AudioFormat, Start

__all__ = ["Restored", "SessionParts", "assemble"]


@dataclass(frozen=True, slots=True)
class Restored:
    """A session that is resumed from the journal, after its gateway has stopped.

    Attributes:
        saved: its record in the journal.
        checkpoint: where it continues.
        token: its resume token.
    """

    saved: SavedSession
    checkpoint: Checkpoint
    token: str


@dataclass(frozen=True, slots=True)
class SessionParts:
    """The parts of one session, wired.

    Attributes:
        session_id: opaque, unique in this gateway.
        audio: format of the client's audio.
        channels: that are decoded each for itself, ≥ 1.
        begin_sample: samples at 16 kHz, of all channels, that an earlier gateway has received.
        is_file: whether the audio is a recording, which is decoded after all live audio.
        pipeline: audio in, requests and events out.
        driver: runs the pipeline.
        intake: takes the client's audio.
        recording: records the audio; None: it is not recorded.
        output: takes events.
        profile: of its cues.
        trace: records their timings; None: the gateway does not trace.
        sinks: where its captions go beside the client and the viewers.
    """

    session_id: str
    audio: AudioFormat
    channels: int
    begin_sample: int
    is_file: bool
    pipeline: SessionPipeline
    driver: PipelineDriver
    intake: AudioIntake
    recording: Recording | None
    output: SessionOutput
    profile: CueProfile
    trace: SessionTrace | None
    sinks: tuple[SinkTarget, ...]

    async def run(self, *tasks: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run the parts, and more tasks, until the output is closed."""
        recording = () if self.recording is None else (self.recording.run,)
        async with anyio.create_task_group() as group:
            for task in (self.driver.run, self.output.broadcast.run, *recording, *tasks):
                group.start_soon(task)
            await self.output.closed.wait()
            group.cancel_scope.cancel()


def assemble(context: SessionContext, start: Start, info: SessionInfo, restored: Restored | None) -> SessionParts:
    """Return the parts of a session.

    Args:
        context: shared by all sessions.
        start: the client's options.
        info: metadata of the session.
        restored: where a session continues; None: it is new.

    Raises:
        ProtocolError: an option is not available.
    """
    checkpoint, saved, token = FRESH, None, None
    if restored is not None:
        checkpoint, saved, token = restored.checkpoint, restored.saved, restored.token
    sinks = () if context.sinks is None else context.sinks.choose(start, info, is_restored=restored is not None)
    session_id = uuid4().hex if saved is None else saved.entry.session_id
    pipeline = open_pipeline(session_id, start, context.settings, context.engine, checkpoint)
    output = SessionOutput(session_id, context, start, info, pipeline.next_seq, saved, token)
    trace = open_trace(context, session_id, info, time.time())
    log = output.log if trace is None else TracedLog(output.log, trace, time.time)
    driver = PipelineDriver(pipeline, context.scheduler, log, context.metrics.answered)
    recording = _recording(context, session_id, start, output)
    intake = AudioIntake(driver, pipeline, start.audio, context.metrics, recording, checkpoint.paid_sample)
    options = start.audio, start.channels, pipeline.audio_samples, start.file
    profile, _ = cue_profile_of(start, context.settings.session)
    return SessionParts(session_id, *options, pipeline, driver, intake, recording, output, profile, trace, sinks)


def _recording(context: SessionContext, session_id: str, start: Start, output: SessionOutput) -> Recording | None:
    if context.recordings is None:
        return None
    return Recording(context.recordings, session_id, start, partial(output.log.append_warning, "recording_stopped"))
