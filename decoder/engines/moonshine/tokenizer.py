"""PURE: encodes text as Moonshine's tokens, and decodes them."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

__all__ = ["BEGIN", "END", "Tokenizer"]

BEGIN = 1
"""<s>, the first token of every text."""

END = 2
"""</s>, the last token of every text."""

SPACE = "▁"
"""SentencePiece's symbol for a space."""

FIRST_BYTE = 3
"""The first of 256 tokens for single bytes, which spell text without a token of its own."""

FIRST_PIECE = FIRST_BYTE + 256

_LOW_BITS = 0x7F


class Tokenizer:
    """The vocabulary that Moonshine shares with Llama: SentencePiece byte pairs, where lower tokens are merged first.

    Attributes:
        size: number of tokens.
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        """Create a tokenizer for a vocabulary.

        Args:
            pieces: the text of each token.
        """
        self.size = len(pieces)
        self._pieces = tuple(piece.replace(SPACE.encode(), b" ") for piece in pieces)
        self._tokens = {piece: token for token, piece in enumerate(pieces) if token >= FIRST_PIECE}

    @classmethod
    def read(cls, path: Path) -> "Tokenizer":
        """Load a tokenizer from a `tokenizer.bin`: a sequence of pieces, each preceded by its length in bytes.

        A length of 128 or more takes two bytes, the low seven bits first.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is not a vocabulary.
        """
        stored = path.read_bytes()
        pieces: list[bytes] = []
        place = 0
        while place < len(stored):
            length = stored[place] & _LOW_BITS
            if stored[place] > _LOW_BITS:
                place += 1
                length |= stored[place] << 7 if place < len(stored) else len(stored)
            pieces.append(stored[place + 1 : place + 1 + length])
            place += 1 + length
        if place != len(stored) or len(pieces) < FIRST_PIECE:
            raise ValueError(
                f"{path.name} is not a vocabulary: {len(pieces)} pieces, expected at least {FIRST_PIECE} complete ones"
            )
        return cls(pieces)

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of the tokens; invalid UTF-8 becomes U+FFFD."""
        return b"".join(self._pieces[token] for token in tokens).decode("utf-8", "replace")

    def tokens(self, text: str) -> tuple[int, ...]:
        """Return the tokens of one or more words, merged in SentencePiece's order.

        Raises:
            UnicodeEncodeError: a lone surrogate has no UTF-8.
        """
        pieces = [character.encode() for character in text.replace(" ", SPACE)]
        while len(pieces) > 1:
            merged = [self._tokens.get(one + other, self.size) for one, other in pairwise(pieces)]
            best = min(merged)
            if best == self.size:
                break
            place = merged.index(best)
            pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
        return tuple(token for piece in pieces for token in self._spelled(piece))

    def begins_word(self, token: int) -> bool:
        """Return whether the token begins a word."""
        return self._pieces[token].startswith(b" ")

    def _spelled(self, piece: bytes) -> list[int]:
        token = self._tokens.get(piece)
        return [FIRST_BYTE + byte for byte in piece] if token is None else [token]
