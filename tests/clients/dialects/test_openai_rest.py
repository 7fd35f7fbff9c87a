import io
import wave
from email import message_from_bytes, policy

from clients.dialects.driver import DriverOptions, Finished, Ready, TimedText, Transcript, Transport
from clients.dialects.openai_rest import OpenAiRestDriver
from tests.clients.dialects.driving import fed, opened


def form(driver: OpenAiRestDriver) -> dict[str, bytes]:
    """Return the fields of the request that a driver sends, read as MIME."""
    [body] = driver.take_outgoing()
    assert isinstance(body, bytes)
    content_type = driver.target("http://host").headers["Content-Type"]
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=policy.HTTP)
    fields: dict[str, bytes] = {}
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        fields[str(part.get_param("name", header="content-disposition"))] = content
    return fields


def test_the_whole_audio_is_one_request_after_its_end() -> None:
    driver = OpenAiRestDriver(DriverOptions("m", "en", "key", ("Kiel", "Bonn"), {"temperature": "0.2"}))
    driver.open()
    pcm = bytes(range(256)) * 100
    driver.send_audio(pcm[:1_000])
    driver.send_audio(pcm[1_000:])
    assert driver.take_outgoing() == []
    driver.finish()
    fields = form(driver)
    file = fields.pop("file")
    assert fields == {
        "model": b"m",
        "response_format": b"json",
        "language": b"en",
        "prompt": b"Kiel, Bonn",
        "temperature": b"0.2",
    }
    with wave.open(io.BytesIO(file)) as audio:
        assert (audio.getframerate(), audio.getnchannels(), audio.getsampwidth()) == (16_000, 1, 2)
        assert audio.readframes(audio.getnframes()) == pcm


def test_what_was_not_asked_for_is_not_sent() -> None:
    driver = OpenAiRestDriver(DriverOptions())
    driver.finish()
    assert form(driver).keys() == {"model", "response_format", "file"}


def test_the_target_is_a_post_with_the_key() -> None:
    target = OpenAiRestDriver(DriverOptions(api_key="key")).target("wss://host/v1")
    assert (target.url, target.transport) == ("https://host/v1/audio/transcriptions", Transport.HTTP_POST)
    assert target.headers["Authorization"] == "Bearer key"


def test_the_response_is_one_final() -> None:
    words = [{"word": "Hello", "start": 0.5, "end": 1.0}]
    driver = opened("openai-rest")
    assert fed(driver, {"text": " Hello", "words": words, "usage": {}}) == [
        Ready(),
        Transcript("0", "Hello", is_final=True, words=(TimedText("Hello", 0.5, 1.0),)),
        Finished(),
    ]


def test_a_response_without_words_has_no_transcript() -> None:
    assert fed(opened("openai-rest"), {"text": ""}) == [Ready(), Finished()]
