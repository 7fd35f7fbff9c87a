"""The decoder rewritten: what it says depends on nothing but what it has read, and it shows where it looks."""

import numpy as np
import onnxruntime
import pytest

from decoder.engine import EngineWork
from decoder.engines._moonshine_graph import exact_decoder
from decoder.engines._moonshine_network import Network, Reader
from decoder.engines._moonshine_onnx import (
    FLOAT,
    AttributeType,
    Node,
    OnnxGraph,
    Tensor,
    attribute_bytes,
    model_bytes,
)
from decoder.engines._moonshine_tokenizer import BEGIN
from tests.real_speech import weights
from tests.recordings import recording

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
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="format"):
        exact_decoder(content)


def test_tokens_read_at_once_are_read_as_one_after_the_other(network: Network) -> None:
    states = network.encode(recording("en_jfk.flac"), EngineWork())
    tokens = (BEGIN, *network.tokenizer.tokens(SPOKEN))
    at_once, in_turn = Reader(network, states, EngineWork()), Reader(network, states, EngineWork())

    logits = at_once.read(tokens)
    others = np.concatenate([in_turn.read([token]) for token in tokens])

    # 8-bit activations differ by 0.1 and more.
    assert np.abs(logits - others).max() < 1e-3
    assert np.abs(at_once.attention - in_turn.attention).max() < 1e-4


def test_a_reader_that_went_back_is_as_if_it_had_not_gone_on(network: Network) -> None:
    states = network.encode(recording("en_jfk.flac"), EngineWork())
    tokens = (BEGIN, *network.tokenizer.tokens(SPOKEN))
    straight, astray = Reader(network, states, EngineWork()), Reader(network, states, EngineWork())
    straight.read(tokens[:5])

    astray.read([*tokens[:5], *tokens[9:]])
    astray.rewind(5)

    assert np.abs(straight.read(tokens[5:6]) - astray.read(tokens[5:6])).max() < 1e-3
    assert len(astray.attention) == 6


def test_a_word_is_looked_at_where_it_is_spoken(network: Network) -> None:
    states = network.encode(recording("en_jfk.flac"), EngineWork())
    reader = Reader(network, states, EngineWork())

    reader.read((BEGIN, *network.tokenizer.tokens(SPOKEN)))

    assert reader.attention.sum(axis=1) == pytest.approx(1.0, abs=1e-3)
    places = reader.attention[1:].argmax(axis=1)
    assert np.corrcoef(places, np.arange(len(places)))[0, 1] > 0.95
