"""Audio into a session: sliced, counted and charged once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InsufficientCredits
from gateway.session.audio_intake import AudioIntake, Charge
from gateway.session.context import SessionContext
from gateway.session.pipeline import Pipeline
from gateway.session.pipeline_driver import PipelineDriver
from gateway.wire import ServerEvent, Start
from tests.sessions import open_context, silence
from vad.errors import LivecueError


class Log:
    """Ignores the events of a pipeline."""

    def append(self, event: ServerEvent) -> None:
        pass

    def close(self, error: LivecueError | None = None) -> None:
        pass


def driven(context: SessionContext, paid_samples: int = 0) -> tuple[PipelineDriver, AudioIntake]:
    start = Start()
    pipeline = Pipeline("a", start, context.settings, context.engine)
    driver = PipelineDriver(pipeline, context.scheduler, Log())
    return driver, AudioIntake(driver, pipeline, start.audio, context.metrics, None, paid_samples)


def intake(context: SessionContext) -> AudioIntake:
    _, made = driven(context)
    return made


def push(made: tuple[PipelineDriver, AudioIntake], data: bytes, charge: Charge) -> None:
    driver, account = made
    driver.push_audio(data)
    account.account(data, 0, charge)


async def test_a_large_message_is_sliced_at_sample_frames_and_nothing_is_lost() -> None:
    async with open_context() as context:
        message = bytes(range(256)) * 500 + b"\x01"
        pieces = [*intake(context).slices(message)]
    assert b"".join(pieces) == message
    assert {len(piece) for piece in pieces[:-1]} == {16_000}


async def test_lost_audio_becomes_as_much_silence() -> None:
    async with open_context() as context:
        pieces = [*intake(context).gap_slices(400_000)]
    assert b"".join(pieces) == bytes(800_000)
    assert len(pieces) == 3


async def test_audio_charged_before_a_resume_is_free() -> None:
    charged: list[float] = []
    async with open_context() as context:
        made = driven(context, paid_samples=12_000)
        for _ in range(3):
            push(made, silence(0.5), charged.append)
    assert charged == [0.0, 0.25, 0.5]


# The first few bytes are kept until they cannot be a file's header.
@given(st.lists(st.integers(6, 3_000)), st.integers(0, 50_000))
async def test_the_charges_add_up_whatever_the_pieces(lengths: list[int], paid_samples: int) -> None:
    charged: list[float] = []
    async with open_context() as context:
        made = driven(context, paid_samples)
        for length in lengths:
            push(made, bytes(2 * length), charged.append)
    assert sum(charged) == pytest.approx(max(0, sum(lengths) - paid_samples) / 16_000)


async def test_a_client_without_credits_has_its_audio_counted() -> None:
    def refuse(audio_s: float) -> None:
        raise InsufficientCredits("none left")

    async with open_context() as context:
        with pytest.raises(InsufficientCredits):
            push(driven(context), silence(0.5), refuse)
        assert "livecue_audio_seconds_total 0.5" in context.metrics.exposition().decode()
