"""The forms in which words are compared: by the normaliser that Whisper's authors published, then digit by digit.

English goes through its English rules ("colour" equals "color", "twenty-one" equals "21", "won't" equals "will not"),
every other language through its basic ones (case, punctuation and symbols). The normaliser groups digits as it finds
them: "1 2 3" and "1-2-3" differ from "123". Therefore, after it, each digit is a word of its own, and so is a remaining
"one". Scripts without spaces are compared character by character: only a dictionary could find their words.

Whether a displayed word changed is a question of case and punctuation only (`plain_form`): "thirty" that becomes "30"
has changed.

Errors are counted on whole texts (`scored_words`). Times belong to single words, so these are normalised one by one
(`comparable`); a spelled ten before a spelled unit loses its zero, so that "thirty six" equals "36" there as well.
Larger spelled numbers ("one hundred and five") equal their digits only in the errors: their words have no lags.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from importlib import import_module, metadata
from importlib.resources import files
from itertools import pairwise
from unicodedata import category, normalize

from gateway.wire import LivecueError

__all__ = [
    "BenchExtraMissing",
    "Comparable",
    "bench_library",
    "comparable",
    "is_unspaced",
    "normaliser_name",
    "normaliser_sha256",
    "plain_form",
    "scored_words",
    "tokens",
]

_PACKAGE = "whisper_normalizer"

_RULES = ("basic.py", "english.py", "normalizers/english.json")
"""The files of the package that decide how a text is normalised."""

_UNSPACED_LANGUAGES = frozenset({"ja", "km", "lo", "my", "th", "yue", "zh"})

_SYMBOLS = frozenset("$€£¥¢%")
"""Written instead of a word: the English rules make them of "dollars" and "percent"."""

_REMEMBERED_WORDS = 1 << 16
"""Distinct spellings: more than an hour of speech has."""

_PIECE = re.compile(r"\d|[^\d\s]+")
_TENS = re.compile(r"[2-9]0")


class BenchExtraMissing(LivecueError):
    """A library of the extra `bench` is not installed."""

    code = "extra_missing"


@dataclass(frozen=True, slots=True)
class Comparable:
    """The words of a text as they are compared.

    Attributes:
        words: compared forms.
        sources: of each: index of the token that it comes from.
    """

    words: tuple[str, ...]
    sources: tuple[int, ...]


def bench_library(name: str) -> object:
    """Return a module of the extra `bench`.

    Raises:
        BenchExtraMissing: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0].replace("_", "-")
        raise BenchExtraMissing(f"livecue bench needs {package}: pip install 'livecue[bench]'") from error


def normaliser_name() -> str:
    """Return the name and version of the normaliser, and of the steps after it.

    Raises:
        BenchExtraMissing: it is not installed.
    """
    bench_library(_PACKAGE)
    return f"whisper-normalizer {metadata.version(_PACKAGE)}, digit by digit"


def normaliser_sha256() -> str:
    """Return the hash of the normaliser's rules: the SHA-256 of its files' contents, one after the other.

    Raises:
        BenchExtraMissing: it is not installed.
    """
    bench_library(_PACKAGE)
    contents = [files(_PACKAGE).joinpath(name).read_bytes() for name in _RULES]
    return sha256(b"".join(contents)).hexdigest()


def is_unspaced(language: str | None) -> bool:
    """Return whether texts in a language are compared character by character.

    Args:
        language: ISO-639-1, with or without a region; None: unknown.
    """
    return _primary(language) in _UNSPACED_LANGUAGES


def scored_words(text: str, language: str | None) -> list[str]:
    """Return the words of a whole text as errors are counted: words, digits, or characters.

    Raises:
        BenchExtraMissing: the normaliser is not installed.
    """
    plain = _normaliser(_primary(language) == "en")(text)
    return _pieces(plain, is_by_character=is_unspaced(language))


def tokens(text: str, language: str | None) -> list[tuple[str, int]]:
    """Return the written words of a text, or its characters in scripts without spaces, each with the index of its end.

    Args:
        text: as displayed.
        language: ISO-639-1; None: unknown.
    """
    token = r"\S" if is_unspaced(language) else r"\S+"
    return [(match.group(), match.end()) for match in re.finditer(token, text)]


def comparable(written: Sequence[str], language: str | None) -> Comparable:
    """Return written words as they are compared, one by one; fillers and punctuation have no compared form.

    Args:
        written: words with their punctuation.
        language: ISO-639-1; None: unknown.

    Raises:
        BenchExtraMissing: the normaliser is not installed.
    """
    is_english, is_by_character = _primary(language) == "en", is_unspaced(language)
    forms = [_word_pieces(word, is_english, is_by_character) for word in written]
    for place, (form, following) in enumerate(pairwise(list(forms))):
        is_spelled = not any(map(str.isdigit, written[place] + written[place + 1]))
        if is_spelled and _TENS.fullmatch("".join(form)) and len(following) == 1 and following[0].isdigit():
            forms[place] = form[:1]
    flat = [(piece, place) for place, form in enumerate(forms) for piece in form]
    return Comparable(tuple(piece for piece, _ in flat), tuple(place for _, place in flat))


@lru_cache(_REMEMBERED_WORDS)
def plain_form(word: str) -> str:
    """Return a word without case and punctuation, as displays are compared; empty: it is only punctuation."""
    kept = "".join(letter for letter in normalize("NFKC", word).casefold() if letter.isalnum() or _is_mark(letter))
    return kept if any(map(str.isalnum, kept)) else ""


def _primary(language: str | None) -> str | None:
    return None if language is None else re.split("[-_]", language.lower())[0]


@lru_cache(_REMEMBERED_WORDS)
def _word_pieces(word: str, is_english: bool, is_by_character: bool) -> tuple[str, ...]:
    return tuple(_pieces(_normaliser(is_english)(word), is_by_character=is_by_character))


def _pieces(plain: str, *, is_by_character: bool) -> list[str]:
    if is_by_character:
        return [character for character in plain if _is_word(character)]
    pieces = ["1" if piece == "one" else piece for word in plain.split() for piece in _PIECE.findall(word)]
    return [piece for piece in pieces if _is_word(piece)]


def _is_mark(letter: str) -> bool:
    return category(letter).startswith("M")


def _is_word(piece: str) -> bool:
    return any(character.isalnum() or character in _SYMBOLS for character in piece)


@cache
def _normaliser(is_english: bool) -> Callable[[str], str]:
    if is_english:
        english: Callable[[str], str] = vars(bench_library(f"{_PACKAGE}.english"))["EnglishTextNormalizer"]()
        return english
    # Marks are vowels in some scripts.
    basic: Callable[[str], str] = vars(bench_library(f"{_PACKAGE}.basic"))["BasicTextNormalizer"](preserve_marks=True)
    return basic
