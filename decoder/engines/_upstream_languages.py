"""The names OpenAI's services call languages by. PURE."""

__all__ = ["language_code"]

_CODES = {
    name: code
    for entry in """
af afrikaans|am amharic|ar arabic|as assamese|az azerbaijani|ba bashkir|be belarusian|bg bulgarian|bn bengali|bo tibetan
br breton|bs bosnian|ca catalan|ca valencian|cs czech|cy welsh|da danish|de german|el greek|en english|es spanish
es castilian|et estonian|eu basque|fa persian|fi finnish|fo faroese|fr french|gl galician|gu gujarati|haw hawaiian
ha hausa|he hebrew|hi hindi|hr croatian|ht haitian creole|ht haitian|hu hungarian|hy armenian|id indonesian|is icelandic
it italian|ja japanese|jw javanese|ka georgian|kk kazakh|km khmer|kn kannada|ko korean|la latin|lb luxembourgish
ln lingala|lo lao|lt lithuanian|lv latvian|mg malagasy|mi maori|mk macedonian|ml malayalam|mn mongolian|mr marathi
ms malay|mt maltese|my myanmar|my burmese|ne nepali|nl dutch|nl flemish|nn nynorsk|no norwegian|oc occitan|pa punjabi
pa panjabi|pl polish|ps pashto|pt portuguese|ro romanian|ro moldavian|ru russian|sa sanskrit|sd sindhi|si sinhala
si sinhalese|sk slovak|sl slovenian|sn shona|so somali|sq albanian|sr serbian|su sundanese|sv swedish|sw swahili
ta tamil|te telugu|tg tajik|th thai|tk turkmen|tl tagalog|tr turkish|tt tatar|uk ukrainian|ur urdu|uz uzbek
vi vietnamese
yi yiddish|yo yoruba|yue cantonese|zh chinese|zh mandarin
""".strip()
    .replace("\n", "|")
    .split("|")
    for code, _, name in (entry.partition(" "),)
}


def language_code(name: str) -> str | None:
    """Return the code of a language, as Whisper has it, or None where it is not known.

    Args:
        name: in English, or a code already, with a region or without: `english`, `en`, `en-GB`.
    """
    plain = name.strip().lower()
    code = plain.replace("_", "-").partition("-")[0]
    return code if code in _CODES.values() else _CODES.get(plain)
