"""The rewritten decoder: its output depends only on the tokens read and the audio, and includes the attention."""

import numpy as np
import onnxruntime
import pytest

from decoder.engine import EngineWork
from decoder.engines.moonshine.batch_search import MAX_POSITIONS, DecoderRows, Generation, memory_groups
from decoder.engines.moonshine.decoder_graph import HEADS
from decoder.engines.moonshine.greedy_search import generate
from decoder.engines.moonshine.network import Network
from decoder.engines.moonshine.onnx_writer import (
    FLOAT,
    AttributeType,
    Node,
    OnnxGraph,
    Tensor,
    attribute_bytes,
    model_bytes,
)
from decoder.engines.moonshine.tokenizer import BEGIN
from decoder.engines.moonshine.weights import read_decoder
from tests.real_speech import weights
from tests.recordings import recording
from vad.audio import SAMPLE_RATE_HZ, Float32

NEARLY = 1e-3

SPOKEN = " And so my fellow Americans ask not what your country can do for you,"


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(weights("moonshine-tiny-en"), cpu_threads=1)


def test_a_written_model_computes() -> None:
    nodes = (
        Node("MatMul", ("rows", "weights"), ("product",)),
        Node("LeakyRelu", ("product",), ("bent",), "", (attribute_bytes("alpha", AttributeType.FLOAT, [0.5]),)),
        Node("Unsqueeze", ("bent", "axes"), ("deep",)),
    )
    constants = (
        Tensor.of_floats("weights", np.array([[1.0, -300.0], [2.0, 0.0]], np.float32)),
        Tensor("axes", 7, (1,), np.array([-1]).tobytes()),
    )
    graph = OnnxGraph(nodes, constants, (("rows", FLOAT),), ("deep",))

    session = onnxruntime.InferenceSession(model_bytes(graph, 8, [("", 18)]))
    [deep] = session.run(None, {"rows": np.array([[1.0, 1.0]], np.float32)})

    assert deep.tolist() == [[[3.0], [-150.0]]]


@pytest.mark.parametrize("content", [b"", b"no model at all, but long enough"])
def test_invalid_models_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="format"):
        read_decoder(content)


def test_a_model_of_another_kind_is_refused() -> None:
    encoder = (weights("moonshine-tiny-en") / "encoder_model.ort").read_bytes()

    with pytest.raises(ValueError, match="not a Moonshine decoder"):
        read_decoder(encoder)


@pytest.fixture(scope="module")
def spoken(network: Network) -> tuple[int, ...]:
    return (BEGIN, *network.tokenizer.tokens(SPOKEN))


@pytest.fixture(scope="module")
def audio(network: Network) -> Float32:
    return network.encode(recording("en_jfk.flac"), EngineWork())


def rows(network: Network, *audio: Float32) -> DecoderRows:
    return DecoderRows(network, audio, max_tokens=64)


def test_the_rewritten_decoder_matches_the_published_one(network: Network, spoken: tuple[int, ...]) -> None:
    """The published one quantises activations, so the outputs are only approximately equal."""
    folder = weights("moonshine-tiny-en")
    samples = recording("en_jfk.flac")[None]
    encoder = onnxruntime.InferenceSession(folder / "encoder_model.ort")
    decoder = onnxruntime.InferenceSession(folder / "decoder_model_merged.ort")
    states = encoder.run(None, {"input_values": samples, "attention_mask": np.ones(samples.shape, np.int64)})[0]
    empty = np.zeros((1, HEADS, 0, network.head_width), np.float32)
    cache = {one.name: empty for one in decoder.get_inputs() if one.name.startswith("past_key_values.")}
    feeds = {
        "encoder_hidden_states": states,
        "encoder_attention_mask": np.ones(samples.shape, np.int64),
        "input_ids": np.array([spoken], np.int64),
        "use_cache_branch": np.array([False]),
    }
    published = decoder.run(["logits"], feeds | cache)[0][0]

    [(logits, _)] = rows(network, network.encode(samples[0], EngineWork())).read([0], [0], [spoken])

    assert np.corrcoef(logits.ravel(), published.ravel())[0, 1] > 0.99
    assert (logits.argmax(1) == published.argmax(1)).mean() > 0.9


def test_tokens_read_in_one_step_give_the_output_of_single_steps(
    network: Network, audio: Float32, spoken: tuple[int, ...]
) -> None:
    in_turn = rows(network, audio)

    [(logits, looks)] = rows(network, audio).read([0], [0], [spoken])
    others = [in_turn.read([0], [place], [[token]])[0] for place, token in enumerate(spoken)]

    # 8-bit activations differ by 0.1 and more.
    assert np.abs(logits - np.concatenate([other for other, _ in others])).max() < NEARLY
    assert np.abs(looks - np.concatenate([other for _, other in others])).max() < NEARLY


def test_a_rewound_row_gives_the_same_output_as_one_that_never_advanced(
    network: Network, audio: Float32, spoken: tuple[int, ...]
) -> None:
    straight, astray = rows(network, audio), rows(network, audio)
    straight.read([0], [0], [spoken[:5]])

    astray.read([0], [0], [(*spoken[:5], *spoken[9:])])

    [(logits, _)], [(others, _)] = (each.read([0], [5], [spoken[5:6]]) for each in (straight, astray))
    assert np.abs(logits - others).max() < NEARLY


def test_a_row_gives_the_same_output_in_a_batch_as_alone(
    network: Network, audio: Float32, spoken: tuple[int, ...]
) -> None:
    short = network.encode(recording("en_jfk.flac")[:SAMPLE_RATE_HZ], EngineWork())
    alone, together = rows(network, audio), rows(network, short, audio, short)

    [first] = alone.read([0], [0], [spoken[:7]])
    _, company, _ = together.read([0, 1, 2], [0, 0, 0], [spoken[:2], spoken[:7], spoken[:9]])
    [second] = alone.read([0], [5], [spoken[5:8]])
    [later] = together.read([1], [5], [spoken[5:8]])  # the others are finished

    for expected, found in ((first, company), (second, later)):
        assert all(np.abs(one - other).max() < NEARLY for one, other in zip(expected, found, strict=True))


def test_attention_to_a_word_lies_where_it_is_spoken(network: Network, audio: Float32, spoken: tuple[int, ...]) -> None:
    [(_, looks)] = rows(network, audio).read([0], [0], [spoken])

    assert looks.sum(axis=1) == pytest.approx(1.0, abs=1e-3)
    places = looks[1:].argmax(axis=1)
    assert np.corrcoef(places, np.arange(len(places)))[0, 1] > 0.95


def test_rows_are_grouped_as_far_as_memory_allows() -> None:
    def generation(positions: int) -> Generation:
        return Generation(generate((), (), 10), np.zeros((2, HEADS, positions, 4), np.float32), 10)

    found = list(memory_groups([generation(positions) for positions in (4000, 100, 1250, 1250, 4000, 8000)]))

    assert found == [[1, 2, 3], [0, 4], [5]]
    assert list(memory_groups([generation(MAX_POSITIONS + 1)])) == [[0]]
