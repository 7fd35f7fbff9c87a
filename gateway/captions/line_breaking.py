"""Scoring of line breaks. PURE.

Guidelines (Netflix, BBC) break after punctuation, before conjunctions and prepositions, and never within
a phrase such as article and noun. Short word lists stand in for grammar. Text without spaces is broken by width.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from decoder.types import Word
from gateway.text import CJK, character_width, is_unspaced, text_width

__all__ = [
    "AFTER_SENTENCE",
    "Lexicon",
    "LineAim",
    "Piece",
    "bare_word",
    "best_break",
    "gap_score",
    "lexicon_of",
    "line_text",
    "line_width",
    "pieces_of",
]

_CJK_CHARACTER = re.compile(f"[{CJK}]")
_HIRAGANA = re.compile("[\u3041-\u309f]")
# Text between white space and control characters; a no-break space (French has it before "?") does not separate.
_TOKEN = re.compile(r"(?:[^\s\x00-\x1f\x7f-\x9f]|[\u00a0\u2007\u202f])+")
_NO_LINE_START = frozenset(
    "!%),.:;?]}»”’…、。，．：；？！）］｝〉》」』】〕ー々ゝゞぁぃぅぇぉっゃゅょァィゥェォッャュョ"
)
_NO_LINE_END = frozenset("([{«“„‘¿¡（［｛〈《「『【〔")
_CLOSING_QUOTES = "\"'”’»)]」』）"
_SENTENCE_END = frozenset(".!?…。！？")
_CLAUSE_END = frozenset(",;:—–、，；：")

# Scores are ranks: forbidden breaks outweigh short lines, these outweigh preferences, these outweigh balance.
_FORBIDDEN = -20.0
_SHORT_LINE = -10.0
_IMBALANCE = -3.0
AFTER_SENTENCE = 4.0
"""Score of a break after a sentence."""

_AFTER_CLAUSE = 3.0
_BEFORE_CONJUNCTION = 2.0
_BEFORE_PREPOSITION = 1.5
_AFTER_BINDING = -3.0
_AFTER_LINK = -2.0
_INSIDE_WORD = -2.0
_AFTER_ENDING = 2.0
_AFTER_NUMBER = -1.5


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words of one language that mark good and bad line breaks.

    Attributes:
        binding: words that bind to the next one: articles, pronouns, auxiliaries, negations, titles. In scripts
            without spaces also pairs of characters that are one word.
        conjunctions: words before which a break is preferred.
        prepositions: words before which a break is preferred, slightly less.
        endings: characters after which a break is preferred, in scripts without spaces: they end a phrase.
    """

    binding: frozenset[str] = frozenset()
    conjunctions: frozenset[str] = frozenset()
    prepositions: frozenset[str] = frozenset()
    endings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text that is never broken.

    Attributes:
        text: without white space at its ends, never empty.
        width: columns it takes.
        spaced: whether a space precedes it, unless it begins a line.
        inside_word: whether it continues the word of the piece before.
        start_sample: start of its speech, at 16 kHz; never before that of the piece before.
        end_sample: end of its speech, ≥ `start_sample`.
    """

    text: str
    width: int
    spaced: bool
    inside_word: bool
    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class LineAim:
    """The desired width of a line.

    Attributes:
        ideal_width: columns; the score falls with the distance from it.
        min_width: columns; a narrower line scores much lower.
        max_width: columns; a wider line scores much lower, as it leaves too little for the rest.
    """

    ideal_width: float
    min_width: float
    max_width: float = inf


def pieces_of(words: Iterable[Word], max_width: int) -> tuple[Piece, ...]:
    """Return the words as pieces; the pieces of a word do not depend on the words after it.

    A piece is a part of a word between spaces; within it, one CJK character with its punctuation; and of a part wider
    than a line, as much as fits. Times inside a word are interpolated.

    Args:
        words: in order; times out of order are moved forward.
        max_width: maximum width of a piece, in columns, ≥ 2.
    """
    pieces: list[Piece] = []
    spaced = False
    earliest_sample = 0
    for word in words:
        start_sample = earliest_sample = max(word.start_sample, earliest_sample)
        duration_samples = max(0, word.end_sample - start_sample)
        parts, spaced_after = _parts_of_word(word.text, max_width)
        length = sum(len(text) for text, _ in parts)
        done = 0
        for index, (text, spaced_before) in enumerate(parts):
            piece_start_sample = start_sample + duration_samples * done // length
            done += len(text)
            piece_end_sample = start_sample + duration_samples * done // length
            is_spaced = spaced_before or (spaced and index == 0)
            pieces.append(Piece(text, text_width(text), is_spaced, index > 0, piece_start_sample, piece_end_sample))
        spaced = spaced_after or (spaced and not parts)
    return tuple(pieces)


def line_width(pieces: Sequence[Piece]) -> int:
    """Return the width of the pieces as one line, in columns.

    Args:
        pieces: in order; may be empty.
    """
    return sum(piece.width + (piece.spaced and index > 0) for index, piece in enumerate(pieces))


def line_text(pieces: Sequence[Piece]) -> str:
    """Return the pieces as the text of one line.

    Args:
        pieces: in order; may be empty.
    """
    return "".join(" " + piece.text if piece.spaced and index else piece.text for index, piece in enumerate(pieces))


def best_break(pieces: Sequence[Piece], positions: range, aim: LineAim, lexicon: Lexicon) -> int:
    """Return the position of the best line break; among equals, the last.

    Args:
        pieces: from the beginning of the line to the piece after the last position, at least.
        positions: the allowed ones, each ≥ 1 and < `len(pieces)`; position `p` leaves `pieces[:p]` on the line.
        aim: the desired width.
        lexicon: of the language.
    """

    def score(position: int) -> tuple[float, int]:
        width = line_width(pieces[:position])
        preference = gap_score(pieces[position - 1], pieces[position], lexicon)
        preference += _IMBALANCE * abs(width - aim.ideal_width) / aim.ideal_width
        preference += 0.0 if aim.min_width <= width <= aim.max_width else _SHORT_LINE
        return preference, position

    return max(positions, key=score)


def lexicon_of(language: str | None) -> Lexicon:
    """Return the word lists of a language; empty if there are none.

    Args:
        language: ISO 639-1 code, or None if unknown.
    """
    return _LEXICONS.get(language or "", _NO_WORDS)


def gap_score(before: Piece, after: Piece, lexicon: Lexicon) -> float:
    """Return how good a break between two pieces is: `AFTER_SENTENCE` is the best, a forbidden one is far below 0.

    Args:
        before: the last piece of a line.
        after: the first piece of the next.
        lexicon: of the language.
    """
    last, first = before.text[-1], after.text[0]
    if first in _NO_LINE_START or last in _NO_LINE_END:
        return _FORBIDDEN
    if not after.spaced and not (last == "-" or is_unspaced(last, first)):
        return _FORBIDDEN
    word, following = bare_word(before.text), bare_word(after.text)
    end = before.text.rstrip(_CLOSING_QUOTES)[-1:]
    abbreviated = end == "." and (word in lexicon.binding or (len(word) == 1 and word.isalpha()))
    if end in _SENTENCE_END and not abbreviated:
        return AFTER_SENTENCE
    if end in _CLAUSE_END:
        return _AFTER_CLAUSE
    score = _AFTER_ENDING if word in lexicon.endings else 0.0
    if _may_continue_word(last, first):
        if after.spaced:  # an engine writes a space there for a pause
            return _AFTER_CLAUSE
        score += _INSIDE_WORD
    if after.inside_word and not after.spaced:
        score += _INSIDE_WORD
    if word in lexicon.binding or abbreviated or (not after.spaced and last + first in lexicon.binding):
        score += _AFTER_BINDING
    elif word in lexicon.conjunctions or word in lexicon.prepositions:
        score += _AFTER_LINK
    elif word.isdigit():
        score += _AFTER_NUMBER
    if following in lexicon.conjunctions:
        return score + _BEFORE_CONJUNCTION
    return score + (_BEFORE_PREPOSITION if following in lexicon.prepositions else 0.0)


def _may_continue_word(last: str, first: str) -> bool:
    """Return whether two adjacent characters may belong to one word.

    In Japanese a word begins where hiragana ends: hiragana are the endings and particles of the word before.
    """
    return bool(_CJK_CHARACTER.match(last) and _CJK_CHARACTER.match(first)) and (
        not _HIRAGANA.match(last) or bool(_HIRAGANA.match(first))
    )


def _parts_of_word(word: str, max_width: int) -> tuple[list[tuple[str, bool]], bool]:
    """Return the texts of a word's pieces, whether a space precedes each, and whether one follows the last."""
    parts: list[tuple[str, bool]] = []
    spaced = False
    end = 0
    for token in _TOKEN.finditer(word):
        spaced = spaced or token.start() > end
        for part in _parts_of_token(token.group(), max_width):
            # A no-break space at the end of a piece separates like an ordinary one.
            spaced = spaced or part[0].isspace()
            if text := part.strip():
                parts.append((text, spaced))
                spaced = part[-1].isspace()
        end = token.end()
    return parts, spaced or end < len(word)


def _parts_of_token(token: str, max_width: int) -> list[str]:
    parts: list[str] = []
    start = width = 0
    for index, character in enumerate(token):
        columns = character_width(character)
        if index > start and (width + columns > max_width or _is_breakable(token[index - 1], character)):
            parts.append(token[start:index])
            start, width = index, 0
        width += columns
    return [*parts, token[start:]]


def _is_breakable(before: str, after: str) -> bool:
    is_cjk = _CJK_CHARACTER.match(before) or _CJK_CHARACTER.match(after)
    return bool(is_cjk) and after not in _NO_LINE_START and before not in _NO_LINE_END and character_width(after) > 0


def bare_word(text: str) -> str:
    """Return a word as the lexicons have it: in lower case, without punctuation around it."""
    return text.casefold().strip(".,;:!?…\"'“”‘’«»()[]¿¡")


def _lexicon(binding: str, conjunctions: str, prepositions: str, endings: str = "") -> Lexicon:
    return Lexicon(*(frozenset(words.split()) for words in (binding, conjunctions, prepositions, endings)))


# Single characters, because a piece of these scripts is one, in both scripts of Chinese; and the commonest words that
# would otherwise be broken.
_CHINESE = _lexicon(
    "不 沒 没 未 很 太 最 更 也 都 還 还 就 又 再 將 将 已 正 一 兩 两 幾 几 每 各 這 这 那 哪 第 小 老 我 你 您 他 她 "
    "它 是 在 有 要 會 会 能 可 想 請 请 對 对 向 為 为 於 于 因 所 如 而 給 给 從 从 把 被 讓 让 跟 和 與 与 或 "
    "現在 现在 正在 存在 實在 实在 自在 所在 內在 内在 但是 還是 还是 就是 可是 或是 不是 都是 也是 總是 总是 "
    "於是 于是 算是 要是 只是 而是 正是 其他 自我 溫和 温和 或許 或许 不和 不過 不过 不但 不如 從不 从不 也不 就不 "
    "都不 要不 差不 了解 目的 的確 的确 那些 這些 这些 刹那 剎那 成就 早就 也就 從來 从来 自從 自从 並且 并且",
    "和 與 与 或 並 并 但 若 雖 虽",
    "在 是 從 从 把 被 讓 让 跟 給 给 不 也 就 我 你 您 他 她 這 这 那",
    "的 了 著 們 们 嗎 吗 呢 吧",
)

_NO_WORDS = Lexicon()

_LEXICONS: Mapping[str, Lexicon] = {
    "en": _lexicon(
        "a an the my your his her its our their this these those i you he she it we they am is are was were be has "
        "have had do does did will would can could shall should may might must not very mr mrs ms dr prof st",
        "and but or nor so yet because although though while when where if unless until since that which who than as",
        "about above across after against along among around at before behind below between beyond by despite during "
        "for from in inside into near of off on onto over through to towards under upon with within without",
    ),
    "de": _lexicon(
        "der die das den dem des ein eine einen einem einer eines kein keine mein meine sein seine ihr ihre ich du "
        "er sie es wir man bin ist sind war waren habe hat haben hatte wird werden kann muss soll nicht herr frau dr",
        "und oder aber denn sondern doch dass weil wenn als ob obwohl während damit bevor nachdem wie",
        "an am auf aus bei beim bis durch für gegen in im ins mit nach neben ohne seit über um unter von vom vor "
        "wegen zu zum zur zwischen",
    ),
    "fr": _lexicon(
        "le la les un une des du au aux mon ma mes ton ta tes son sa ses notre nos votre vos leur ce cet cette ces "
        "je tu il elle on nous vous ils elles me te se ne suis es est sont ai as a avons avez ont était très m mme dr",
        "et ou mais donc or ni car que qui quand lorsque puisque parce si comme dont où",
        "à après avant avec chez contre dans de depuis en entre par parmi pendant pour sans selon sous sur vers",
    ),
    "es": _lexicon(
        "el la los las un una unos unas al del mi mis tu tus su sus este esta ese esa yo tú él ella ellos me te se "
        "lo le nos no soy es son era eran fue está están he has ha hemos han había muy sr sra dr",
        "y e o u pero sino ni porque aunque mientras cuando donde si pues que quien como",
        "a ante bajo con contra de desde durante en entre hacia hasta para por según sin sobre tras",
    ),
    "it": _lexicon(
        "il lo la i gli le un uno una al alla ai alle del della dei delle dal dalla nel nella sul sulla mio mia suo "
        "sua questo questa io tu lui lei noi voi loro mi ti si ci vi non sono sei è siamo era ho hai ha hanno sig",
        "e ed o oppure ma però né perché mentre quando dove se che chi come anche quindi",
        "a ad con contro da di dopo durante fino fra in per prima senza sopra sotto su tra verso",
    ),
    "pt": _lexicon(
        "o os as um uma ao aos à às do da dos das no na nos nas pelo pela meu minha seu sua este esta esse eu tu ele "
        "ela nós eles elas você me te se não sou é são era eram foi está estão tenho tem têm tinha muito sr sra dr",
        "e ou mas porém nem porque embora enquanto quando onde se pois que quem como",
        "a ante após até com contra de desde durante em entre para por sem sob sobre",
    ),
    "zh": _CHINESE,
    "yue": _CHINESE,
    "ja": _lexicon("", "", "", "は が を に で と も へ の ね よ か"),
}
