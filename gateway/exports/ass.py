"""Captions as Advanced SubStation Alpha, the format of Aegisub, mpv and VLC. PURE.

Times are whole centiseconds, rounded down as in the other formats; a caption lasts one at least.
"""

import re

from gateway.exports.document import Document, displayed_lines

__all__ = ["to_ass"]

_MS_PER_CS = 10
_CS_PER_S = 100
_CS_PER_MINUTE = 60 * _CS_PER_S
_CS_PER_HOUR = 60 * _CS_PER_MINUTE

_STYLE_FIELDS = (
    "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, "
    "StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, "
    "Encoding"
)
# White on a black outline, centred at the bottom (alignment 2), of the size that Aegisub proposes for 1080 lines.
_STYLE = "Default,Arial,72,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,60,60,60,1"

# The format has no escapes that all renderers know. A word joiner keeps a backslash from the letter after it (libass,
# and so mpv and VLC); braces begin an override in each of them, so wide ones are written in their place.
_BACKSLASH = re.compile(r"\\")
_BRACES = str.maketrans({"{": "｛", "}": "｝"})
_WORD_JOINER = "\u2060"


def to_ass(document: Document) -> str:
    """Return a script with one style; a speaker is the name of the line, and displayed where there are several.

    Args:
        document: its passages are not used.
    """
    events = [
        f"Dialogue: 0,{_time(start_cs)},{_time(max(start_cs + 1, caption.end_ms // _MS_PER_CS))},Default,"
        f"{_name(caption.speaker)},0,0,0,,{_text(lines)}\n"
        for caption, lines in displayed_lines(document)
        for start_cs in (caption.start_ms // _MS_PER_CS,)
    ]
    return "".join(
        [
            "[Script Info]\n",
            f"Title: {_one_line(document.title or '')}\n" if document.title else "",
            "ScriptType: v4.00+\nPlayResX: 1920\nPlayResY: 1080\nWrapStyle: 2\nScaledBorderAndShadow: yes\n\n",
            f"[V4+ Styles]\nFormat: {_STYLE_FIELDS}\nStyle: {_STYLE}\n\n",
            "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n",
            *events,
        ]
    )


def _time(time_cs: int) -> str:
    hours, rest_cs = divmod(time_cs, _CS_PER_HOUR)
    minutes, rest_cs = divmod(rest_cs, _CS_PER_MINUTE)
    seconds, centiseconds = divmod(rest_cs, _CS_PER_S)
    return f"{hours}:{minutes:02d}:{seconds:02d}.{centiseconds:02d}"


def _text(lines: tuple[str, ...]) -> str:
    return r"\N".join(_BACKSLASH.sub(rf"\\{_WORD_JOINER}", line.translate(_BRACES)) for line in lines)


def _name(speaker: str | None) -> str:
    """Return the name for its field, which ends at a comma."""
    return "" if speaker is None else _one_line(speaker).replace(",", " ")


def _one_line(text: str) -> str:
    return " ".join(text.split())
