"""The dialect of vosk-server, without a socket."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import (
    Ack,
    Audio,
    DialectMessage,
    DialectReply,
    Error,
    Final,
    Finished,
    Flush,
    Flushed,
    Latency,
    Partial,
    ProtocolError,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
    Start,
    Stop,
    Update,
    WordSpan,
)
from gateway.wire.vosk.codec import DEFAULT_RATE_HZ, MAX_LAG_S, MAX_WAIT_S, VoskCodec
from tests.wire_events import JSON_VALUES


def span(text: str, start_s: float = 0.0, probability: float | None = None) -> WordSpan:
    return WordSpan(text, round(start_s * 16_000), round((start_s + 0.5) * 16_000), probability)


def final(text: str, error: str | None = None) -> Final:
    words = tuple(span(word, start_s) for start_s, word in enumerate(text.split()))
    return Final(1, 0, 0, 16_000, text, "en", Latency(0, 0, 0, 0), words, error)


def partial(text: str) -> Partial:
    first, *others = text.split()
    return Partial(1, 0, 0, 16_000, (span(first),), tuple(span(word) for word in others), "en")


def replies(codec: VoskCodec, *events: ServerEvent) -> list[dict[str, object]]:
    return [json.loads(message) for event in events for message in codec.send(event)]


def spoken(codec: VoskCodec, *messages: str | bytes) -> list[ServerEvent]:
    """Return what a session sends the codec of the answers that messages ask for."""
    events = [event for message in messages for event in codec.receive(message)]
    return [DialectMessage(event.message) for event in events if isinstance(event, DialectReply)]


# --- client messages -------------------------------------------------------------------------------------------------


def test_audio_without_a_config_is_8_khz() -> None:
    start, audio, reply = VoskCodec().receive(b"\0\0")
    assert isinstance(start, Start)
    assert start.audio.sample_rate_hz == 8_000
    assert audio == Audio(b"\0\0")
    assert isinstance(reply, DialectReply)


def test_a_config_may_have_a_fraction_in_its_rate_as_jitsi_writes_it() -> None:
    codec = VoskCodec()
    assert codec.receive('{"config" : {"sample_rate" : 48000.0 }}') == []
    [start, *_] = codec.receive(b"\0\0")
    assert isinstance(start, Start)
    assert start.audio.sample_rate_hz == 48_000


def test_numbers_may_be_strings_as_the_server_converts_them() -> None:
    codec = VoskCodec()
    assert codec.receive('{"config":{"sample_rate":"16000","max_alternatives":"0","words":"1"}}') == []
    [start, *_] = codec.receive(b"\0\0")
    assert isinstance(start, Start)
    assert start.audio.sample_rate_hz == 16_000
    [reply] = replies(codec, final("yes"), *spoken(codec, b"\0\0"))
    assert reply.keys() == {"result", "text"}


@pytest.mark.parametrize("name", ["sampleRate", "sample-rate", "samplerate", "phrase_lists", "word"])
def test_a_name_that_is_nearly_right_is_refused_with_a_suggestion(name: str) -> None:
    with pytest.raises(ProtocolError, match="did you mean") as refused:
        VoskCodec().receive(json.dumps({"config": {name: 1}}))
    assert refused.value.field == name


def test_names_of_other_things_are_left_out() -> None:
    assert VoskCodec().receive('{"config":{"model":"en","speaker":1,"sample_rate":8000}}') == []


@pytest.mark.parametrize("config", ['{"sample_rate":"fast"}', '{"sample_rate":"nan"}', '{"max_alternatives":"some"}'])
def test_a_string_that_is_no_number_is_named(config: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        VoskCodec().receive(f'{{"config":{config}}}')
    assert f'"{refused.value.field}"' in config


def test_phrases_help_the_engine() -> None:
    codec = VoskCodec()
    codec.receive('{"config":{"phrase_list":["zero one","oh","[unk]"]}}')
    [start, *_] = codec.receive(b"\0\0")
    assert isinstance(start, Start)
    assert start.prompt == "zero one, oh"


def test_a_config_in_the_middle_changes_what_can_change() -> None:
    codec = VoskCodec()
    codec.receive(b"\0\0")
    [update] = codec.receive('{"config":{"sample_rate":8000,"phrase_list":["yes"]}}')
    assert isinstance(update, Update)
    assert update.start.prompt == "yes"
    with pytest.raises(ProtocolError, match="sample_rate"):
        codec.receive('{"config":{"sample_rate":16000}}')


@pytest.mark.parametrize("eof", ['{"eof" : 1}', '{"eof":1}', '{ "eof": true }'])
def test_the_end_is_known_however_it_is_written(eof: str) -> None:
    codec = VoskCodec()
    assert isinstance(codec.receive(eof)[-1], Stop)
    with pytest.raises(ProtocolError, match="eof"):
        codec.receive(b"\0\0")


@pytest.mark.parametrize("header", [44, 46, 90])
def test_the_header_of_a_file_is_left_out(header: int) -> None:
    begin = (b"RIFF\xff\xff\xff\xffWAVEfmt ").ljust(header - 8, b"\1") + b"data\xff\xff\xff\xff"
    codec = VoskCodec()
    assert codec.receive(begin + b"\0\1")[1] == Audio(b"\0\1")
    assert codec.receive(begin)[0] == Audio(begin)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "{}",
        "[]",
        '{"eof":0}',
        '{"config":[]}',
        '{"config":{"sample_rate":"fast"}}',
        '{"config":{"sample_rate":1}}',
        '{"config":{"sample_rate":16000.5}}',
        '{"config":{"sample_rate":1e999}}',
        '{"config":{"phrase_list":[1]}}',
        '{"id":"1","weight":2}',
    ],
)
def test_foreign_messages_are_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        VoskCodec().receive(text)


@given(
    messages=st.lists(
        st.binary(max_size=9)
        | JSON_VALUES.map(json.dumps)
        | st.dictionaries(
            st.sampled_from(["config", "eof", "reset"]),
            JSON_VALUES
            | st.dictionaries(
                st.sampled_from(["sample_rate", "words", "phrase_list", "max_alternatives", "model"]), JSON_VALUES
            ),
        ).map(json.dumps),
        max_size=8,
    )
)
def test_any_messages_are_events_or_refused_and_each_audio_has_one_reply(messages: list[str | bytes]) -> None:
    codec = VoskCodec()
    sent = frames = 0
    for message in messages:
        try:
            events = codec.receive(message)
        except ProtocolError:
            continue
        frames += isinstance(message, bytes)
        for event in events:
            if isinstance(event, DialectReply):
                sent += len(replies(codec, DialectMessage(event.message)))
            elif isinstance(event, Flush):
                sent += len(replies(codec, Flushed(1, event.flush_id))) - 1
    assert sent == frames


# --- what it sends --------------------------------------------------------------------------------------------------


def test_each_audio_is_replied_to_with_what_is_known() -> None:
    codec = VoskCodec()
    sent = replies(
        codec,
        *spoken(codec, b"\0\0"),
        partial("good mor"),
        *spoken(codec, b"\0\0"),
        partial("good morning"),
        final("good morning"),
        *spoken(codec, b"\0\0", b"\0\0"),
    )
    assert [list(reply.values())[-1] for reply in sent] == ["", "good mor", "good morning", ""]
    assert [list(reply)[-1] for reply in sent] == ["partial", "partial", "text", "partial"]


def test_a_result_has_each_word_with_its_time() -> None:
    codec = VoskCodec()
    [reply] = replies(codec, final("good morning"), *spoken(codec, b"\0\0"))
    assert reply == {
        "result": [
            {"conf": 1.0, "end": 0.5, "start": 0.0, "word": "good"},
            {"conf": 1.0, "end": 1.5, "start": 1.0, "word": "morning"},
        ],
        "text": "good morning",
    }


def test_a_config_leaves_out_the_words_and_asks_for_alternatives() -> None:
    codec = VoskCodec()
    codec.receive('{"config":{"words":false,"max_alternatives":3}}')
    [reply] = replies(codec, final("yes"), *spoken(codec, b"\0\0"))
    assert reply == {"alternatives": [{"confidence": 1.0, "text": "yes"}]}


def test_the_end_is_replied_to_with_all_that_was_not_sent() -> None:
    codec = VoskCodec()
    spoken(codec, '{"eof" : 1}')
    assert replies(codec, final("one"), final(""), final("two"), Finished(9, 0, 3))[0]["text"] == "one two"


def test_a_reset_is_replied_to_in_its_turn() -> None:
    codec = VoskCodec()
    before = replies(codec, *spoken(codec, b"\0\0", '{"reset" : 1}', b"\0\0"))
    after = replies(codec, final("one"), Flushed(1, "reset"))
    assert before == [{"partial": ""}]
    assert [reply.get("text") for reply in after] == ["one", None]


def test_replies_wait_while_an_utterance_waits_too_long_for_its_words() -> None:
    codec = VoskCodec()
    ended = SpeechEnded(1, 0, 0, 32_000, "silence")
    sent = replies(codec, ended, Ack(2, 8 * DEFAULT_RATE_HZ, 0), *spoken(codec, b"\0\0", b"\0\0"))
    assert sent == []
    late = final("late")
    assert replies(codec, late, Ack(4, 8 * DEFAULT_RATE_HZ, 8 * DEFAULT_RATE_HZ))[0]["text"] == "late"


def test_a_long_utterance_delays_no_reply() -> None:
    codec = VoskCodec()
    sent = replies(codec, Ack(1, 20 * DEFAULT_RATE_HZ, 0), *spoken(codec, b"\0\0"))
    assert sent == [{"partial": ""}]


def overdue() -> DialectMessage:
    return DialectMessage("", is_reminder=True)


def test_an_overdue_reply_has_the_known_words_whatever_the_engine_does() -> None:
    codec = VoskCodec()
    [reply] = [event for event in codec.receive(b"\0\0") if isinstance(event, DialectReply)]
    assert reply.remind_after_s == MAX_WAIT_S
    stuck = SpeechEnded(1, 0, 0, 32_000, "silence"), Ack(2, 8 * DEFAULT_RATE_HZ, 0)
    assert replies(codec, *stuck, DialectMessage(reply.message)) == []
    assert replies(codec, overdue()) == [{"partial": ""}]
    [next_reply] = [event for event in codec.receive(b"\0\0") if isinstance(event, DialectReply)]
    assert next_reply.remind_after_s == MAX_WAIT_S


def test_a_reset_that_has_waited_long_enough_is_replied_to_once_and_its_words_come_later() -> None:
    codec = VoskCodec()
    assert replies(codec, *spoken(codec, b"\0\0", '{"reset" : 1}')) == [{"partial": ""}]
    assert replies(codec, overdue()) == [{"text": ""}]
    assert replies(codec, final("one"), Flushed(1, "reset")) == []
    assert replies(codec, *spoken(codec, b"\0\0"))[0]["text"] == "one"
    later = replies(codec, *spoken(codec, '{"reset" : 1}'), final("two"), Flushed(2, "reset"))
    assert [reply["text"] for reply in later] == ["two"]


class LockStep:
    """A session as the codec sees it, on a clock of seconds; each reply must come in its turn and in time."""

    def __init__(self) -> None:
        self.codec = VoskCodec()
        self.owed: list[tuple[str, int]] = []
        """What was sent and is not replied to, and when."""
        self._now_s = self._received_samples = self._resets = 0
        self._reminders: list[int] = []
        """When each is due."""

    def step(self, name: str) -> None:
        match name:
            case "audio" | "reset":
                self._emit(name)
            case "ends":
                self._send(SpeechEnded(1, 0, 0, self._received_samples * 2, "silence"))
            case "final":
                self._send(final("one"))
            case "flushed" if self._resets:
                self._resets -= 1
                self._send(Flushed(1, "reset"))
            case "a second passes":
                self._now_s += 1
                for _ in range(self._reminders.count(self._now_s)):
                    self._send(overdue())

    def _emit(self, name: str) -> None:
        self._resets += name == "reset"
        self._received_samples += round(MAX_LAG_S * DEFAULT_RATE_HZ)
        for event in self.codec.receive(b"\0\0" if name == "audio" else '{"reset":1}'):
            if isinstance(event, DialectReply):
                self.owed.append((name, self._now_s))
                self._send(DialectMessage(event.message))
                if event.remind_after_s is not None:
                    self._reminders.append(self._now_s + round(event.remind_after_s))
        self._send(Ack(1, self._received_samples, 0))

    def _send(self, event: ServerEvent) -> None:
        for reply in replies(self.codec, event):
            name, since_s = self.owed.pop(0)
            assert self._now_s - since_s <= MAX_WAIT_S
            assert "text" in reply or name == "audio"


@given(st.lists(st.sampled_from(["audio", "reset", "ends", "final", "flushed", "a second passes"]), max_size=40))
def test_each_message_has_one_reply_in_its_turn_and_in_time(steps: list[str]) -> None:
    session = LockStep()
    for step in [*steps, *["a second passes"] * round(MAX_WAIT_S)]:
        session.step(step)
    assert not session.owed


def test_an_error_is_a_reply_that_clients_can_read() -> None:
    assert replies(VoskCodec(), Error(1, "protocol_error", "no", fatal=True)) == [{"text": "", "error": "no"}]


def test_missing_words_are_reported() -> None:
    codec = VoskCodec()
    assert replies(codec, final("", "engine_failed"), Finished(1, 0, 1)) == [{"text": "", "error": "engine_failed"}]


def test_the_beginning_of_speech_is_no_reply() -> None:
    codec = VoskCodec()
    assert replies(codec, SpeechStarted(1, 0, 0)) == []
    assert replies(codec, *spoken(codec, b"\0\0")) == [{"partial": ""}]
