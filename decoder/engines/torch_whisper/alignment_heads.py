"""Which heads of the decoder follow the audio, where a model's files do not say so. PURE."""

from typing import Final

from decoder.engines.torch_whisper.dims import Dims

__all__ = ["Heads", "alignment_heads"]

Heads = tuple[tuple[int, int], ...]
"""(layer, head) of the decoder."""

# Facts from `_ALIGNMENT_HEADS` of openai/whisper (whisper/__init__.py, commit c0d2f62): heads "that are highly
# correlated to the word-level timing". The files of the models do not have them.
_PUBLISHED: Final[dict[tuple[int, int, int, int, int], dict[int, tuple[int, ...]]]] = {
    (80, 384, 4, 4, 51864): {  # tiny.en
        1: (0,),
        2: (0, 5),
        3: (0, 1, 2, 3, 4),
    },
    (80, 384, 4, 4, 51865): {  # tiny
        2: (2,),
        3: (0, 2, 3, 4, 5),
    },
    (80, 512, 6, 6, 51864): {  # base.en
        3: (3,),
        4: (7,),
        5: (1, 5, 7),
    },
    (80, 512, 6, 6, 51865): {  # base
        3: (1,),
        4: (2, 3, 7),
        5: (1, 2, 4, 6),
    },
    (80, 768, 12, 12, 51864): {  # small.en
        6: (6,),
        7: (0, 3, 8),
        8: (2, 5, 7),
        9: (0, 4, 8, 10),
        10: (0, 1, 2, 3, 6, 11),
        11: (2, 4),
    },
    (80, 768, 12, 12, 51865): {  # small
        5: (3, 9),
        8: (0, 4, 7, 8),
        9: (0, 7, 9),
        10: (5,),
    },
    (80, 1024, 24, 24, 51864): {  # medium.en
        11: (4,),
        14: (1, 12, 14),
        15: (4,),
        16: (0, 4, 9),
        17: (12, 14),
        18: (7, 10, 15),
        20: (0, 3, 9, 14),
        21: (12,),
    },
    (80, 1024, 24, 24, 51865): {  # medium
        13: (15,),
        15: (4, 15),
        16: (1,),
        20: (0,),
        23: (4,),
    },
    (80, 1280, 32, 32, 51865): {  # large-v2
        10: (12,),
        13: (17,),
        16: (11, 12, 13),
        17: (15, 16),
        18: (4, 11, 19),
        19: (11,),
        21: (2, 3),
        22: (3, 9, 12),
        23: (5, 7, 13),
        25: (5,),
        26: (1, 12),
        27: (15,),
    },
    (128, 1280, 32, 32, 51866): {  # large-v3
        7: (0,),
        10: (17,),
        12: (18,),
        13: (12,),
        16: (1,),
        17: (14,),
        19: (11,),
        21: (4,),
        24: (1,),
        25: (6,),
    },
    (128, 1280, 32, 4, 51866): {  # large-v3-turbo
        2: (4, 11),
        3: (3, 6, 11, 14),
    },
}
"""Bands, width, layers of encoder and decoder, vocabulary of a published model → layer → heads. large-v1 has the sizes
of large-v2, whose heads are taken for both: the older one is rarely used."""


def alignment_heads(dims: Dims) -> Heads:
    """Return the published heads of a model of these sizes; of any other all of the upper half of the layers.

    Models that were trained further keep their sizes, and their heads too.
    """
    sizes = (dims.mels, dims.width, dims.encoder_layers, dims.decoder_layers, dims.vocabulary)
    if sizes in _PUBLISHED:
        return tuple((layer, head) for layer, heads in _PUBLISHED[sizes].items() for head in heads)
    upper = range(dims.decoder_layers // 2, dims.decoder_layers)  # as in openai/whisper
    return tuple((layer, head) for layer in upper for head in range(dims.heads))
