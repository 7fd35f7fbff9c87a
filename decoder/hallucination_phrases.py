"""Phrases that Whisper learned from subtitle files and outputs when there is no speech. PURE.

Collected by users (openai/whisper, discussion 928) and by decoding noise (Barański et al. 2025, "Investigation of
Whisper ASR hallucinations induced by non-speech audio"). Compared by letters and digits alone: without case, spaces,
punctuation and accents.
"""

import re
import unicodedata
from collections.abc import Iterable

__all__ = ["is_credit", "is_sign_off"]

MAX_LETTERS = 120
"""No phrase is longer, even spoken two or three times."""

SIGN_OFFS = (
    # English
    "you", "thank you", "thank you very much", "thank you so much", "thanks for watching", "thank you for watching",
    "thank you so much for watching", "thanks for listening", "thank you for listening", "please subscribe",
    "please subscribe to my channel", "like and subscribe", "don't forget to like and subscribe", "see you next time",
    "see you in the next video", "I'll see you in the next video", "bye", "bye bye", "www.mooji.org", "amara.org",
    "music", "music playing", "upbeat music", "applause", "laughter", "silence",
    # German
    "Vielen Dank", "Vielen Dank fürs Zuschauen", "Danke fürs Zuschauen", "Vielen Dank für die Aufmerksamkeit",
    "Bis zum nächsten Mal", "Tschüss",
    # French
    "Merci", "Merci d'avoir regardé", "Merci d'avoir regardé cette vidéo", "Abonnez-vous", "Au revoir",
    # Spanish, Portuguese, Italian
    "Gracias", "Gracias por ver", "Gracias por ver el video", "Suscríbete", "Suscríbete al canal", "Obrigado",
    "Obrigado por assistir", "Inscreva-se no canal", "Grazie", "Grazie per la visione",
    "Grazie per aver guardato il video", "Iscriviti al canale",
    # Dutch, Polish, Turkish, Vietnamese
    "Bedankt voor het kijken", "Dziękuję", "Dziękuję za uwagę", "Dzięki za oglądanie", "İzlediğiniz için teşekkürler",
    "Cảm ơn các bạn đã theo dõi", "Cảm ơn các bạn đã xem video",
    # Russian, Ukrainian
    "Спасибо", "Спасибо за просмотр", "Спасибо за внимание", "Продолжение следует", "Подписывайтесь на канал",
    "Дякую за перегляд",
    # Chinese
    "谢谢", "谢谢大家", "谢谢观看", "感谢观看", "感谢收看", "謝謝", "謝謝大家", "謝謝觀看", "感謝觀看", "请订阅",
    # Japanese, Korean
    "ありがとうございました", "ご視聴ありがとうございました", "ご視聴ありがとうございます",
    "チャンネル登録お願いします", "チャンネル登録よろしくお願いします", "おやすみなさい",
    "감사합니다", "시청해 주셔서 감사합니다", "구독과 좋아요 부탁드립니다", "다음 영상에서 만나요",
)  # fmt: skip
"""Phrases that people do say, mostly at the end of a talk."""

NAMED_CREDITS = (
    "music by", "subtitles by", "subtitled by", "captions by", "captioned by", "transcription by", "transcribed by",
    "Untertitel von", "Untertitelung", "Sous-titres par", "Sous-titres réalisés par", "Sous-titrage", "Subtítulos por",
    "Subtítulos de", "Subtítulos", "Legendas por", "Legendado por", "Legendas", "Sottotitoli di",
    "Sottotitoli a cura di", "Sottotitoli e revisione a cura di", "Ondertiteling", "Ondertiteld door", "Napisy",
    "Субтитры", "Редактор субтитров", "字幕by", "字幕制作", "字幕製作", "字幕志愿者", "字幕", "자막 제공", "자막",
)  # fmt: skip
"""Beginnings of credits that end in a name. A speaker may read them out at an event."""

MAX_NAME_LETTERS = 24

CREDITS = (
    r"subtitlesbytheamaraorgcommunity",
    r"(untertitel|ondertitel|soustitr|sottotitoli|subtitul|legendas|napisy|субтитр|titulky|phuđe)\w{0,40}amaraorg\w{0,12}",
    r"(中文)?字幕由?amaraorg\w{0,8}",
    r"由amaraorg\w{1,4}提供的字幕",
    r"untertitel(ung)?imauftragdeszdf\w{0,12}",
    r"untertitelungdeszdf\w{0,12}",
    r"soustitragest501",
    r"soustitragesocieteradiocanada",
    r"parsoustitreurcom",
    r"sottotitolierevisioneacuradiqtss",
    r"субтитры\w{2,12}dimatorzok",
    r"transcriptionbycastingwords",
    r"[请請]不吝[点點][赞贊][订訂][阅閱][转轉][发發]打[赏賞]支持明[镜鏡][与與][点點][点點][栏欄]目",
)
"""Credits that no speaker utters; dropped however certain the engine is."""


def is_sign_off(text: str) -> bool:
    """Return whether the text consists only of phrases of silence that people also say, in any number."""
    letters = _letters(text)
    return len(letters) <= MAX_LETTERS and _SIGN_OFFS.fullmatch(letters) is not None


def is_credit(text: str) -> bool:
    """Return whether the text consists only of a credit from a subtitle file, or has no letter or digit."""
    letters = _letters(text)
    return not letters or (len(letters) <= MAX_LETTERS and _CREDITS.fullmatch(letters) is not None)


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(character for character in plain if character.isalnum())


def _any_of(phrases: Iterable[str]) -> str:
    return "|".join(re.escape(_letters(phrase)) for phrase in phrases)


_SIGN_OFFS = re.compile(rf"(?:{_any_of(SIGN_OFFS)})+|(?:{_any_of(NAMED_CREDITS)})\w{{0,{MAX_NAME_LETTERS}}}")

_CREDITS = re.compile("|".join(unicodedata.normalize("NFKD", pattern) for pattern in CREDITS))
