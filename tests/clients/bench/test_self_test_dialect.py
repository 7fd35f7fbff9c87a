"""The dialect of the self-test: what one side encodes, the other reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.bench.self_test_dialect import FINISH, START, SelfTestDriver, encode
from clients.dialects.driver import Driver, DriverEvent, Failed, Finished, Ready, Target, Transcript
from gateway.wire import ProtocolError

EVENTS = st.one_of(
    st.just(Ready()),
    st.just(Finished()),
    st.builds(Failed, st.text(), st.text()),
    st.builds(Transcript, st.text(), st.text(), st.booleans(), st.none() | st.integers(0, 99)),
)


@given(EVENTS)
def test_the_driver_reads_what_the_server_encodes(event: DriverEvent) -> None:
    assert SelfTestDriver().receive(encode(event)) == [event]


@pytest.mark.parametrize("message", ["", "{}", '{"type": "surprise"}', b"\xff", '{"type": 3}'])
def test_other_messages_are_refused(message: str | bytes) -> None:
    with pytest.raises(ProtocolError):
        SelfTestDriver().receive(message)


def test_messages_to_the_server_are_given_out_once_and_in_order() -> None:
    driver: Driver = SelfTestDriver()
    driver.open()
    driver.send_audio(b"ab")
    driver.finish()
    assert driver.take_outgoing() == [START, b"ab", FINISH]
    assert driver.take_outgoing() == []


def test_a_close_code_is_a_failure_and_a_mere_end_is_not() -> None:
    driver = SelfTestDriver()
    assert driver.target("ws://127.0.0.1:1/x") == Target("ws://127.0.0.1:1/x")
    assert not driver.lose()
    assert driver.closed(1013, "busy") == [Failed("1013", "busy")]
    assert driver.closed(None, "") == []
