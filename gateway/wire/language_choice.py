"""Which language a session is decoded in, or among which its language is detected. PURE."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from reprlib import repr as shortened

from decoder.languages import Language, Script, read_language
from gateway.wire.client_events import ProtocolError

__all__ = ["LanguageChoice", "choose_languages"]

MAX_LANGUAGES = 100
"""As many as Whisper has; a list in a request ends somewhere."""


@dataclass(frozen=True, slots=True)
class LanguageChoice:
    """What is decoded.

    Attributes:
        code: ISO 639-1, or None: the language is detected.
        allowed: ISO 639-1 codes among which it is detected; empty: all that the engine writes.
        script: of Chinese, where the client names one.
        refused: why the client's language cannot be had, where it was but a hint; None where it can.
    """

    code: str | None = None
    allowed: tuple[str, ...] = ()
    script: Script | None = None
    refused: str | None = None

    @property
    def tag(self) -> str | None:
        """The language as clients write it, or None."""
        return None if self.code is None else Language(self.code, self.script).tag

    @property
    def allowed_tags(self) -> tuple[str, ...]:
        """The allowed languages as clients write them."""
        return tuple(Language(code, self.script if code in ("zh", "yue") else None).tag for code in self.allowed)


def choose_languages(
    language: str | None,
    languages: Iterable[str] = (),
    written: Collection[str] = (),
    *,
    names: tuple[str, str] = ("language", "languages"),
    engine: str = "the model",
) -> LanguageChoice:
    """Return what is decoded of what a client asks for.

    A language counts more than a list. Languages of a list that the engine does not write are left out; one that is
    left alone is not detected but taken for granted.

    Args:
        language: as `read_language` takes it; None or `auto`: it is detected.
        languages: among these, each as `read_language` takes it; `auto` among them allows all.
        written: ISO 639-1 codes that the engine writes; empty: any.
        names: of the client's fields for the language and for the list.
        engine: what writes them, for the message.

    Raises:
        ProtocolError: a language is not understood, or the engine writes none of them; the message says which it does.
    """
    one = _read(language, names[0])
    if one is not None:
        if written and one.code not in written:
            raise _unwritten(names[0], language, engine, written)
        return LanguageChoice(one.code, (), one.script)
    asked = [_read(text, names[1]) for text in languages]
    if len(asked) > MAX_LANGUAGES:
        raise ProtocolError(f"{names[1]}: {len(asked)} of them, allowed are {MAX_LANGUAGES}", names[1])
    among = [each for each in asked if each is not None]
    if not among or len(among) < len(asked):
        return LanguageChoice()
    codes = tuple(dict.fromkeys(each.code for each in among if not written or each.code in written))
    if not codes:
        raise _unwritten(names[1], ", ".join(each.tag for each in among), engine, written)
    script = next((each.script for each in among if each.script is not None), None)
    return LanguageChoice(codes[0], (), script) if len(codes) == 1 else LanguageChoice(None, codes, script)


def _read(text: str | None, name: str) -> Language | None:
    if text is None:
        return None
    try:
        return read_language(text)
    except ValueError as error:
        raise ProtocolError(str(error).replace("language", name, 1), name) from error


def _unwritten(name: str, got: str | None, engine: str, written: Collection[str]) -> ProtocolError:
    return ProtocolError(f"{name} {shortened(got)}: {engine} writes {', '.join(sorted(written))}", name)
