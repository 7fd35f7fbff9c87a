"""Text encoded as tokens, and tokens decoded."""

from pathlib import Path

import pytest

from decoder.engines.moonshine.tokenizer import FIRST_PIECE, Tokenizer
from tests.real_speech import weights

MARKED = ("▁", "a", "b", "ab", "▁a", "▁ab", "é")
"""Pieces after the byte tokens, in the order in which they are merged."""


def tokenizer(*pieces: str) -> Tokenizer:
    special = [b"<unk>", b"<s>", b"</s>"]
    return Tokenizer([*special, *(bytes([byte]) for byte in range(256)), *(piece.encode() for piece in pieces)])


def stored(pieces: list[bytes]) -> bytes:
    lengths = (bytes([len(piece) & 0x7F | 0x80, len(piece) >> 7]) if len(piece) > 127 else None for piece in pieces)
    return b"".join((length or bytes([len(piece)])) + piece for piece, length in zip(pieces, lengths, strict=True))


def test_pieces_are_merged_in_the_order_of_the_vocabulary() -> None:
    # `ab` comes before `▁a`, so that `▁ab` is `▁` + `ab`, and not `▁a` + `b`.
    assert tokenizer(*MARKED).tokens(" ab") == (FIRST_PIECE + MARKED.index("▁ab"),)
    assert tokenizer("▁", "a", "b", "ab", "▁a").tokens(" ab") == (FIRST_PIECE, FIRST_PIECE + 3)


def test_letters_without_a_token_are_encoded_as_bytes() -> None:
    made = tokenizer(*MARKED)

    assert made.tokens("日") == tuple(3 + byte for byte in "日".encode())
    assert made.text(made.tokens(" ab日é")) == " ab日é"


def test_half_a_letter_is_a_replacement_character() -> None:
    assert tokenizer(*MARKED).text([3 + "日".encode()[0]]) == "�"


def test_a_word_begins_with_a_space() -> None:
    made = tokenizer(*MARKED)

    assert [made.begins_word(FIRST_PIECE + MARKED.index(piece)) for piece in ("▁a", "a")] == [True, False]


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        tokenizer(*MARKED).tokens("\ud800")


def test_long_pieces_have_a_length_of_two_bytes(tmp_path: Path) -> None:
    pieces = [b"p"] * FIRST_PIECE + [b"x" * 300, b"y"]
    (tmp_path / "tokenizer.bin").write_bytes(stored(pieces))

    read = Tokenizer.read(tmp_path / "tokenizer.bin")

    assert read.size == len(pieces)
    assert read.text([FIRST_PIECE, FIRST_PIECE + 1]) == "x" * 300 + "y"


@pytest.mark.parametrize("content", [b"", b"\x05ab", stored([b"p"] * FIRST_PIECE) + b"\x09abc", b"\x81"])
def test_an_invalid_vocabulary_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.bin").write_bytes(content)

    with pytest.raises(ValueError, match="not a vocabulary"):
        Tokenizer.read(tmp_path / "tokenizer.bin")


def test_official_vocabulary_spells_english_as_the_model_does() -> None:
    made = Tokenizer.read(weights("moonshine-tiny-en") / "tokenizer.bin")

    tokens = made.tokens(" Stuff it into you, his belly counseled him.")

    spelled = [made.text([token]) for token in tokens]
    assert spelled == [
        *(" St", "uff", " it", " into", " you", ",", " his", " bel", "ly", " coun", "se", "led", " him", "."),
    ]
