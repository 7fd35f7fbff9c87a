"""What is left to send of a final where text that has been sent cannot be taken back. PURE."""

import re
from difflib import SequenceMatcher

from decoder.stabiliser import normalise_word
from gateway.text import CJK

__all__ = ["rest_of"]

_TOKEN = re.compile(rf"\s*(?:[{CJK}]|[^\s{CJK}]+)|\s+")
"""A word, or a character of a script without spaces, with the space before it."""


def rest_of(final: str, sent: str) -> str:
    """Return the words of a final that come after those that have been sent, with the space before them.

    Where the final contradicts what has been sent, the two are aligned word by word: no word is sent twice, and none
    that comes later is left out.

    Args:
        final: the text of an utterance.
        sent: what has been sent of it; may be empty.
    """
    if final.startswith(sent):
        return final[len(sent) :]
    old, new = _TOKEN.findall(sent), _TOKEN.findall(final)
    matcher = SequenceMatcher(None, [*map(normalise_word, old)], [*map(normalise_word, new)], autojunk=False)
    # the stretch that ends with the last word sent; words that stand instead of others have been sent in their way
    last = next(codes for codes in matcher.get_opcodes() if codes[2] == len(old))
    _, old_start, old_end, new_start, new_end = last
    return "".join(new[min(new_end, new_start + old_end - old_start) :])
