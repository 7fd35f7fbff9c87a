"""Whisper's languages: their codes, their English names, and how clients write them. PURE."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from reprlib import repr as shortened
from types import MappingProxyType

__all__ = ["LANGUAGE_NAMES", "Language", "Script", "language_code", "read_language"]

# Whisper's languages and their names (openai/whisper, tokenizer.py).
_NAMES = """
af afrikaans, am amharic, ar arabic, as assamese, az azerbaijani, ba bashkir, be belarusian, bg bulgarian, bn bengali,
bo tibetan, br breton, bs bosnian, ca catalan, cs czech, cy welsh, da danish, de german, el greek, en english,
es spanish, et estonian, eu basque, fa persian, fi finnish, fo faroese, fr french, gl galician, gu gujarati, ha hausa,
haw hawaiian, he hebrew, hi hindi, hr croatian, ht haitian creole, hu hungarian, hy armenian, id indonesian,
is icelandic, it italian, ja japanese, jw javanese, ka georgian, kk kazakh, km khmer, kn kannada, ko korean, la latin,
lb luxembourgish, ln lingala, lo lao, lt lithuanian, lv latvian, mg malagasy, mi maori, mk macedonian, ml malayalam,
mn mongolian, mr marathi, ms malay, mt maltese, my myanmar, ne nepali, nl dutch, nn nynorsk, no norwegian, oc occitan,
pa punjabi, pl polish, ps pashto, pt portuguese, ro romanian, ru russian, sa sanskrit, sd sindhi, si sinhala,
sk slovak, sl slovenian, sn shona, so somali, sq albanian, sr serbian, su sundanese, sv swedish, sw swahili, ta tamil,
te telugu, tg tajik, th thai, tk turkmen, tl tagalog, tr turkish, tt tatar, uk ukrainian, ur urdu, uz uzbek,
vi vietnamese, yi yiddish, yo yoruba, yue cantonese, zh chinese
"""

# Whisper's aliases.
_ALIASES = """
my burmese, ca valencian, nl flemish, ht haitian, lb letzeburgesch, ps pushto, pa panjabi, ro moldavian, ro moldovan,
si sinhalese, es castilian, zh mandarin, tl filipino, no bokmal, no bokmål
"""

# ISO 639-2, both the bibliographic and the terminological codes; then members of macrolanguages and withdrawn codes
# that services still send: Google's cmn, Android's iw and in, nb from every Norwegian browser.
_OTHER_CODES = """
af afr, am amh, ar ara, as asm, az aze, ba bak, be bel, bg bul, bn ben, bo bod, bo tib, br bre, bs bos, ca cat, cs ces,
cs cze, cy cym, cy wel, da dan, de deu, de ger, el ell, el gre, en eng, es spa, et est, eu eus, eu baq, fa fas, fa per,
fi fin, fo fao, fr fra, fr fre, gl glg, gu guj, ha hau, he heb, hi hin, hr hrv, ht hat, hu hun, hy hye, hy arm, id ind,
is isl, is ice, it ita, ja jpn, jw jav, ka kat, ka geo, kk kaz, km khm, kn kan, ko kor, la lat, lb ltz, ln lin, lo lao,
lt lit, lv lav, mg mlg, mi mri, mi mao, mk mkd, mk mac, ml mal, mn mon, mr mar, ms msa, ms may, mt mlt, my mya, my bur,
ne nep, nl nld, nl dut, nn nno, no nor, oc oci, pa pan, pl pol, ps pus, pt por, ro ron, ro rum, ru rus, sa san, sd snd,
si sin, sk slk, sk slo, sl slv, sn sna, so som, sq sqi, sq alb, sr srp, su sun, sv swe, sw swa, ta tam, te tel, tg tgk,
th tha, tk tuk, tl tgl, tr tur, tt tat, uk ukr, ur urd, uz uzb, vi vie, yi yid, yo yor, zh zho, zh chi,
ar arb, fa pes, fa prs, he iw, id in, jw jv, ms zsm, no nb, no nob, ro mo, sr sh, sw swh, tl fil, yi ji, zh cmn
"""

_DETECT = frozenset({"", "auto", "detect", "multi", "und", "mul"})
"""Values that clients send to have the language detected; the last two are from ISO 639-2."""

_MAX_CHARS = 40
"""The longest name of a language has 16 characters; a tag with all its subtags rarely reaches 35 (BCP 47)."""


def _entries(listed: str) -> list[tuple[str, str]]:
    """Return the pairs of code and name."""
    pairs = (entry.strip().partition(" ") for entry in listed.replace("\n", " ").split(","))
    return [(code, name) for code, _, name in pairs]


LANGUAGE_NAMES: Mapping[str, str] = MappingProxyType(dict(_entries(_NAMES)))
"""ISO-639 code → name, lower case."""

_CODES = {name: code for code, name in (*_entries(_NAMES), *_entries(_ALIASES))}

_CODES_BY_TAG = {**{other: code for code, other in _entries(_OTHER_CODES)}, **{code: code for code in LANGUAGE_NAMES}}


class Script(StrEnum):
    """How Chinese is written, by its subtag (ISO 15924)."""

    SIMPLIFIED = "Hans"
    TRADITIONAL = "Hant"


_SCRIPTS = {
    **dict.fromkeys(("hans", "cn", "sg", "my"), Script.SIMPLIFIED),
    **dict.fromkeys(("hant", "tw", "hk", "mo"), Script.TRADITIONAL),
}
"""Script or region subtag → script (Unicode's likely subtags)."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language requested by a client.

    Attributes:
        code: Whisper's: ISO 639-1, or ISO 639-3 for languages without a two-letter code.
        script: of Chinese, if the client specifies it.
    """

    code: str
    script: Script | None = None

    @property
    def tag(self) -> str:
        """The language tag (BCP 47)."""
        return self.code if self.script is None else f"{self.code}-{self.script}"


def language_code(name: str) -> str | None:
    """Return Whisper's code of a language; None if it is unknown.

    Args:
        name: the English name, or an ISO 639-1 or -2 code with or without a region: `english`, `en`, `eng`, `en-GB`.
    """
    plain = name.strip().lower()
    return _CODES_BY_TAG.get(_subtags(plain)[0]) or _CODES.get(plain)


def read_language(text: str) -> Language | None:
    """Parse the language that a client requests; None: it is to be detected.

    Args:
        text: `en`, `eng`, `english`, `en-US`, `zh-Hant`, `zh_TW` …; `auto` and an empty text request detection. A code
            of two or three letters that Whisper does not know is accepted as is: other engines may know it.

    Raises:
        ValueError: the text is none of these.
    """
    plain = text.strip().lower()
    if plain in _DETECT:
        return None
    first, *others = _subtags(plain)
    code = language_code(plain) if len(plain) <= _MAX_CHARS else None
    if code is None and first.isascii() and first.isalpha() and len(first) in (2, 3) and len(plain) <= _MAX_CHARS:
        code = first
    if code is None:
        raise ValueError(
            f"language {shortened(text)}: expected a code such as en or eng, a tag such as en-US, an English name, "
            "or auto"
        )
    scripts = (_SCRIPTS[subtag] for subtag in others if subtag in _SCRIPTS)
    return Language(code, next(scripts, None) if code in ("zh", "yue") else None)


def _subtags(tag: str) -> list[str]:
    return tag.replace("_", "-").split("-")
