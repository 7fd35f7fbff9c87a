"""What is sent between the gateway and the process of its engine arrives as it was."""

from dataclasses import asdict, fields, is_dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder import types
from decoder.engine import EngineInfo, EngineWork
from decoder.engine_process.messages import (
    HEAD_BYTES,
    Answered,
    Cancel,
    Command,
    Decode,
    Failed,
    Failure,
    Forget,
    Logged,
    Outcome,
    Report,
    Start,
    Started,
    Status,
    decode_command,
    decode_report,
    encode,
    lengths,
)
from decoder.engines.upstream.retry_policy import PartialSkipped
from decoder.settings import EngineSettings, PoolSettings, UpstreamSettings
from decoder.types import (
    DecodeRequest,
    EngineBusy,
    EngineError,
    EngineFailed,
    Hypothesis,
    ModelError,
    RequestKind,
    Task,
    Word,
)

ERRORS = [kind for kind in vars(types).values() if isinstance(kind, type) and issubclass(kind, EngineError)]

WORDS = st.builds(Word, st.text(), st.integers(0, 2**40), st.integers(0, 2**40), st.none() | st.floats(0, 1))

REQUESTS = st.builds(
    DecodeRequest,
    session_id=st.text(),
    utterance_id=st.integers(0, 2**31),
    revision=st.integers(1, 2**31),
    kind=st.sampled_from(RequestKind),
    samples=st.lists(st.floats(width=32), max_size=50).map(lambda samples: np.array(samples, np.float32)),
    start_sample=st.integers(0, 2**40),
    deadline_s=st.floats(allow_nan=False),
    language=st.none() | st.text(),
    prompt=st.text(),
    prefix=st.lists(WORDS, max_size=3).map(tuple),
    task=st.sampled_from(Task),
    temperature=st.floats(0, 1),
    in_haste=st.booleans(),
    speech_probability=st.none() | st.floats(0, 1),
    languages=st.lists(st.text(), max_size=3).map(tuple),
    ends_in_speech=st.booleans(),
)

HYPOTHESES = st.builds(
    Hypothesis,
    session_id=st.text(),
    utterance_id=st.integers(0, 2**31),
    revision=st.integers(1, 2**31),
    words=st.lists(WORDS, max_size=3).map(tuple),
    language=st.none() | st.text(),
    avg_logprob=st.none() | st.floats(allow_nan=False),
    no_speech_probability=st.none() | st.floats(0, 1),
    is_timed=st.booleans(),
)


def frame(message: Command | Report) -> tuple[bytearray, bytearray]:
    """Return the fields and the audio of a message's frame."""
    whole = bytearray().join(encode(message))
    fields_bytes, audio_bytes = lengths(whole[:HEAD_BYTES])
    assert len(whole) == HEAD_BYTES + fields_bytes + audio_bytes
    return whole[HEAD_BYTES : HEAD_BYTES + fields_bytes], whole[HEAD_BYTES + fields_bytes :]


def arrived(message: Command) -> Command:
    return decode_command(*frame(message))


def reported(message: Report) -> Report:
    return decode_report(*frame(message))


def without_audio(request: DecodeRequest) -> dict[str, object]:
    return {field.name: getattr(request, field.name) for field in fields(request) if field.name != "samples"}


@given(st.integers(0, 2**40), st.lists(REQUESTS, max_size=4).map(tuple))
def test_a_batch_arrives_as_it_was_sent(number: int, batch: tuple[DecodeRequest, ...]) -> None:
    found = arrived(Decode(number, batch))

    assert isinstance(found, Decode)
    assert found.number == number
    assert [without_audio(request) for request in found.batch] == [without_audio(request) for request in batch]
    for request, sent in zip(found.batch, batch, strict=True):
        assert request.samples.dtype == np.float32
        assert request.samples.tobytes() == sent.samples.tobytes()


def test_audio_that_is_a_part_of_more_arrives_as_that_part() -> None:
    every_other = np.arange(20, dtype=np.float32)[4:16:2]
    found = arrived(Decode(1, (DecodeRequest("a", 1, 1, RequestKind.FINAL, every_other, 0, 0.0),)))

    assert isinstance(found, Decode)
    assert found.batch[0].samples.tolist() == [4, 6, 8, 10, 12, 14]


def test_a_request_without_audio_takes_none_from_the_next() -> None:
    empty = DecodeRequest("a", 1, 1, RequestKind.FINAL, np.zeros(0, np.float32), 0, 0.0)
    full = DecodeRequest("b", 1, 1, RequestKind.FINAL, np.arange(3, dtype=np.float32), 0, 0.0)
    found = arrived(Decode(1, (empty, full)))

    assert isinstance(found, Decode)
    assert [request.samples.tolist() for request in found.batch] == [[], [0, 1, 2]]
    assert found.batch[0].samples.dtype == np.float32


@given(
    st.lists(HYPOTHESES, max_size=3), st.builds(EngineWork, st.floats(0, 1e9), st.integers(0, 2**40), st.floats(0, 1e9))
)
def test_answers_arrive_as_they_were_sent(hypotheses: list[Hypothesis], work: EngineWork) -> None:
    sent = Answered(7, tuple(map(Outcome.of, hypotheses)), work)
    found = reported(sent)

    assert isinstance(found, Answered)
    assert [outcome.as_answer() for outcome in found.outcomes] == hypotheses
    assert found.work == work


def test_numbers_of_numpy_arrive_as_those_of_python() -> None:
    sent = Hypothesis("a", 1, 1, (Word(" a", int(np.int64(3)), 4, float(np.float32(0.5))),))
    of_numpy = Hypothesis("a", 1, 1, (Word(" a", np.int64(3), 4, np.float32(0.5)),))  # type: ignore[arg-type]
    found = reported(Answered(1, (Outcome.of(of_numpy),), EngineWork()))

    assert isinstance(found, Answered)
    assert found.outcomes[0].as_answer() == sent


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_arrives_as_one_of_its_kind_with_its_message(kind: type[EngineError]) -> None:
    answer = Outcome.of(kind("why")).as_answer()

    assert type(answer) is kind
    assert str(answer) == "why"


def test_an_error_of_an_engine_arrives_as_the_nearest_that_all_know() -> None:
    assert type(Failure.of(PartialSkipped("later")).as_error()) is EngineBusy


def test_an_unknown_error_and_an_empty_answer_are_failures() -> None:
    assert type(Failure("Nonsense", "why").as_error()) is EngineFailed
    assert isinstance(Outcome().as_answer(), EngineFailed)


def test_settings_arrive_as_they_were_sent() -> None:
    upstream = UpstreamSettings(base_url="https://example.test/v1", model="m", key_file=Path("/key"))
    settings = EngineSettings("torch", "small", max_batch=3, upstreams=(upstream,), pool=PoolSettings(hedge=True))
    found = arrived(Start(settings, 20))

    assert found == Start(settings, 20)
    assert is_dataclass(found.settings)
    assert asdict(settings) == asdict(found.settings)


@pytest.mark.parametrize("message", [Cancel(3), Forget("a session")])
def test_other_commands_arrive_as_they_were_sent(message: Command) -> None:
    assert arrived(message) == message


@pytest.mark.parametrize(
    "message",
    [
        Failed(None, Failure.of(ModelError("no model"))),
        Failed(3, Failure.of(EngineFailed("broken"))),
        Status(is_usable=False),
        Logged("livecue.engine", 30, "a line"),
    ],
)
def test_other_reports_arrive_as_they_were_sent(message: Report) -> None:
    assert reported(message) == message


def test_the_properties_of_an_engine_arrive_as_they_are() -> None:
    def is_usable() -> bool:
        return True

    info = EngineInfo("e", "m", "cpu", ("en", "de"), False, True, None, is_usable=is_usable)
    started = reported(Started.of(info, 3, 4))

    assert isinstance(started, Started)
    assert started.info(is_usable) == info
    assert (started.max_batch, started.parallel) == (3, 4)


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_bytes_that_are_no_message_are_refused(some: bytes, audio: bytes) -> None:
    for decode in (decode_command, decode_report):
        with pytest.raises((msgspec.DecodeError, ValueError)):
            decode(bytearray(some), bytearray(audio))


@pytest.mark.parametrize("missing", [4, 12])
def test_a_batch_without_all_of_its_audio_is_refused(missing: int) -> None:
    request = DecodeRequest("a", 1, 1, RequestKind.FINAL, np.zeros(3, np.float32), 0, 0.0)
    described, audio = frame(Decode(1, (request,)))

    with pytest.raises(msgspec.DecodeError, match="3 samples: expected at most"):
        decode_command(described, audio[missing:])


def test_a_head_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="fields of 2021161080 bytes"):
        lengths(bytearray(b"xxxxxxxx"))


def test_what_is_in_no_message_is_not_sent() -> None:
    with pytest.raises(NotImplementedError, match="object"):
        encode(Logged("a", 1, object()))  # type: ignore[arg-type]
