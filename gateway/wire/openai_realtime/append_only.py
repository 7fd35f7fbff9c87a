"""The unsent text of a final, where text that has been sent cannot be retracted. PURE."""

import re
from difflib import SequenceMatcher

from decoder.stabiliser import normalise_word
from gateway.text import CJK

__all__ = ["unsent_text"]

_TOKEN = re.compile(rf"\s*(?:[{CJK}]|[^\s{CJK}]+)|\s+")
"""A word, or a character of a script without spaces, with its leading space."""


def unsent_text(final: str, sent: str) -> str:
    """Return the words of a final after those that have been sent, with their leading space.

    If the final contradicts the text sent, the two are aligned word by word: no word is sent twice, and no later word
    is omitted.

    Args:
        final: the text of an utterance.
        sent: the part of it that has been sent; may be empty.
    """
    if final.startswith(sent):
        return final[len(sent) :]
    old, new = _TOKEN.findall(sent), _TOKEN.findall(final)
    matcher = SequenceMatcher(None, [*map(normalise_word, old)], [*map(normalise_word, new)], autojunk=False)
    # the opcode that ends with the last word sent; words that replace others count as sent
    last = next(codes for codes in matcher.get_opcodes() if codes[2] == len(old))
    _, old_start, old_end, new_start, new_end = last
    return "".join(new[min(new_end, new_start + old_end - old_start) :])
