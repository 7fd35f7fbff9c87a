"""Heads that follow the audio are those that OpenAI has published, where the sizes are those of its models."""

import pytest

from decoder.engines.torch_whisper.alignment_heads import _PUBLISHED, alignment_heads
from decoder.engines.torch_whisper.dims import Dims

TINY_EN = Dims(mels=80, width=384, heads=6, encoder_layers=4, decoder_layers=4, vocabulary=51_864)

HEADS_OF_WIDTH = 64
"""Width of a head in every published model."""


def test_heads_of_a_published_model_are_those_published() -> None:
    assert alignment_heads(TINY_EN) == ((1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4))


def test_english_and_multilingual_models_of_a_size_have_heads_of_their_own() -> None:
    tiny = Dims(mels=80, width=384, heads=6, encoder_layers=4, decoder_layers=4, vocabulary=51_865)
    assert alignment_heads(tiny) == ((2, 2), (3, 0), (3, 2), (3, 3), (3, 4), (3, 5))


def test_turbo_and_large_differ_in_layers_of_the_decoder_only() -> None:
    turbo = Dims(mels=128, width=1280, heads=20, encoder_layers=32, decoder_layers=4, vocabulary=51_866)
    large = Dims(mels=128, width=1280, heads=20, encoder_layers=32, decoder_layers=32, vocabulary=51_866)
    assert alignment_heads(turbo) == ((2, 4), (2, 11), (3, 3), (3, 6), (3, 11), (3, 14))
    assert alignment_heads(large)[0] == (7, 0)


def test_heads_of_another_model_are_all_of_the_upper_half() -> None:
    other = Dims(mels=80, width=8, heads=2, encoder_layers=1, decoder_layers=3, vocabulary=300)
    assert alignment_heads(other) == ((1, 0), (1, 1), (2, 0), (2, 1))


@pytest.mark.parametrize("sizes", _PUBLISHED)
def test_published_heads_are_within_their_model(sizes: tuple[int, int, int, int, int]) -> None:
    mels, width, encoder_layers, decoder_layers, vocabulary = sizes
    found = alignment_heads(Dims(mels, width, width // HEADS_OF_WIDTH, encoder_layers, decoder_layers, vocabulary))
    assert found == tuple(sorted(set(found)))
    assert all(layer < decoder_layers and head < width // HEADS_OF_WIDTH for layer, head in found)
