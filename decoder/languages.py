"""Whisper's languages: their codes, and the English names that OpenAI's services call them by. PURE."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["LANGUAGE_NAMES", "language_code"]

# Whisper's languages and its names for them (openai/whisper, tokenizer.py).
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

# Its other names for some.
_ALIASES = """
my burmese, ca valencian, nl flemish, ht haitian, lb letzeburgesch, ps pushto, pa panjabi, ro moldavian, ro moldovan,
si sinhalese, es castilian, zh mandarin
"""


def _entries(listed: str) -> list[tuple[str, str]]:
    """Return pairs of code and name."""
    pairs = (entry.strip().partition(" ") for entry in listed.replace("\n", " ").split(","))
    return [(code, name) for code, _, name in pairs]


LANGUAGE_NAMES: Mapping[str, str] = MappingProxyType(dict(_entries(_NAMES)))
"""ISO-639 code → name, lower case."""

_CODES = {name: code for code, name in (*_entries(_NAMES), *_entries(_ALIASES))}


def language_code(name: str) -> str | None:
    """Return the code of a language, as Whisper has it, or None where it is not known.

    Args:
        name: in English, or a code already, with a region or without: `english`, `en`, `en-GB`.
    """
    plain = name.strip().lower()
    code = plain.replace("_", "-").partition("-")[0]
    return code if code in LANGUAGE_NAMES else _CODES.get(plain)
