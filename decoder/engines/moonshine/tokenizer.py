"""PURE: text as Moonshine's tokens, and back."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

__all__ = ["BEGIN", "END", "Tokenizer"]

BEGIN = 1
"""<s>, which every text begins with."""

END = 2
"""</s>, which ends it."""

SPACE = "▁"
"""How SentencePiece writes a space."""

FIRST_BYTE = 3
"""Tokens from here on are the 256 bytes, of which text is spelled that has no other token."""

FIRST_PIECE = FIRST_BYTE + 256

_LOW_BITS = 0x7F


class Tokenizer:
    """The vocabulary that Moonshine shares with Llama: SentencePiece's byte pairs, the earlier merged the lower.

    Attributes:
        size: how many tokens there are.
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        """Take the vocabulary.

        Args:
            pieces: of each token what it stands for.
        """
        self.size = len(pieces)
        self._pieces = tuple(piece.replace(SPACE.encode(), b" ") for piece in pieces)
        self._tokens = {piece: token for token, piece in enumerate(pieces) if token >= FIRST_PIECE}

    @classmethod
    def read(cls, path: Path) -> "Tokenizer":
        """Return the tokenizer of a `tokenizer.bin`: pieces one after the other, each behind its length in bytes.

        A length of 128 and more is in two bytes, the low seven bits first.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is no vocabulary.
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
            raise ValueError(f"{path.name} holds {len(pieces)} pieces and ends within one: no vocabulary")
        return cls(pieces)

    def text(self, tokens: Sequence[int]) -> str:
        """Return what the tokens spell; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(self._pieces[token] for token in tokens).decode("utf-8", "replace")

    def tokens(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a word or several, merged in SentencePiece's order.

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
        """Return whether a word begins with the token."""
        return self._pieces[token].startswith(b" ")

    def _spelled(self, piece: bytes) -> list[int]:
        token = self._tokens.get(piece)
        return [FIRST_BYTE + byte for byte in piece] if token is None else [token]
