"""Tasks and temperatures of Whisper's requests."""

from collections.abc import Sequence
from dataclasses import replace

import ctranslate2
import pytest
from ctranslate2.models import Whisper, WhisperGenerationResult
from faster_whisper import WhisperModel

from decoder.engines.whisper.network import CTranslate2Network, load_model
from decoder.settings import EngineSettings
from decoder.types import EngineFailed, Hypothesis, RequestKind, Task
from decoder.whisper.batch_decoder import BatchDecoder
from decoder.whisper.utterance_cache import UtteranceStore
from tests.audio import noise
from tests.contracts.engines import SENTENCE, request, write_micro_whisper


class RecordingModel:
    """A model that records the arguments of `generate`."""

    def __init__(self, model: Whisper) -> None:
        self.prompts: list[list[int]] = []
        self.temperatures: list[float] = []
        self._model = model

    def generate(
        self, features: ctranslate2.StorageView, prompts: Sequence[Sequence[int]], **options: object
    ) -> list[WhisperGenerationResult]:
        self.prompts += [list(prompt) for prompt in prompts]
        temperature = options.get("sampling_temperature", 0.0)
        assert isinstance(temperature, float)
        self.temperatures += [temperature] * len(prompts)
        generated: list[WhisperGenerationResult] = self._model.generate(features, prompts, **options)
        return generated

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> WhisperModel:
    directory = write_micro_whisper(tmp_path_factory.mktemp("whisper") / "micro")
    return load_model(directory, EngineSettings(workers=1, cpu_threads=1), "cpu")


@pytest.fixture
def recording(loaded: WhisperModel, monkeypatch: pytest.MonkeyPatch) -> RecordingModel:
    made = RecordingModel(loaded.model)
    monkeypatch.setattr(loaded, "model", made)
    return made


def decoder(loaded: WhisperModel) -> BatchDecoder:
    utterances = UtteranceStore()
    return BatchDecoder(CTranslate2Network(loaded, utterances), EngineSettings(), utterances)


def text_of(answer: object) -> str:
    assert isinstance(answer, Hypothesis), answer
    return "".join(word.text for word in answer.words)


def token(loaded: WhisperModel, text: str) -> int:
    found = loaded.hf_tokenizer.token_to_id(text)
    assert isinstance(found, int)
    return found


@pytest.mark.parametrize("kind", RequestKind)
def test_each_request_of_a_batch_gets_its_own_task(
    loaded: WhisperModel, recording: RecordingModel, kind: RequestKind
) -> None:
    asked = request(noise(2.0), kind=kind, language="de")
    batch = [asked, replace(asked, session_id="other", task=Task.TRANSLATE)]

    answers = decoder(loaded).decode(batch, {}, lambda: None).answers

    transcribe, translate = token(loaded, "<|transcribe|>"), token(loaded, "<|translate|>")
    assert sorted(transcribe in prompt for prompt in recording.prompts) == [False, True]
    assert all((transcribe in prompt) != (translate in prompt) for prompt in recording.prompts)
    assert [text_of(answer) for answer in answers] == [SENTENCE] * 2


def test_a_model_of_one_language_translates_nothing(loaded: WhisperModel, monkeypatch: pytest.MonkeyPatch) -> None:
    network = CTranslate2Network(loaded, UtteranceStore())
    monkeypatch.setattr(network.vocabulary, "is_multilingual", False)
    made = BatchDecoder(network, EngineSettings(), UtteranceStore())

    [answer] = made.decode([request(noise(2.0), task=Task.TRANSLATE)], {}, lambda: None).answers

    assert isinstance(answer, EngineFailed)
    assert "translate" in str(answer)


def test_a_request_is_decoded_at_its_own_temperature(loaded: WhisperModel, recording: RecordingModel) -> None:
    asked = request(noise(2.0), kind=RequestKind.FILE)
    batch = [asked, replace(asked, session_id="other", temperature=0.7)]

    decoder(loaded).decode(batch, {}, lambda: None)

    assert sorted({round(temperature, 3) for temperature in recording.temperatures})[:2] == [0.0, 0.7]
