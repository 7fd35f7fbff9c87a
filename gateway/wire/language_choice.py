"""The language of a session, or the languages among which it is detected. PURE."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from reprlib import repr as shortened

from decoder.languages import Language, Script, read_language
from gateway.wire.client_events import ProtocolError

__all__ = ["LanguageChoice", "choose_languages"]

MAX_LANGUAGES = 100
"""In one request; Whisper has as many."""


@dataclass(frozen=True, slots=True)
class LanguageChoice:
    """The language to decode in.

    Attributes:
        code: ISO 639-1, or None: the language is detected.
        allowed: ISO 639-1 codes among which it is detected; empty: all that the engine supports.
        script: of Chinese, if the client names one.
        refused: why the client's language is unavailable, if it was only a hint; None if it is available.
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
    """Return the language choice that a client requests.

    `language` takes precedence over `languages`. Languages of the list that the engine does not support are ignored;
    if only one remains, it is used without detection.

    Args:
        language: as `read_language` accepts it; None or `auto`: it is detected.
        languages: candidates for detection, each as `read_language` accepts it; `auto` among them allows all.
        written: ISO 639-1 codes that the engine supports; empty: any.
        names: of the client's fields for the language and for the list.
        engine: name of the engine, for the error message.

    Raises:
        ProtocolError: a language is unknown, or the engine supports none of them; the message lists the supported.
    """
    single = _read(language, names[0])
    if single is not None:
        if written and single.code not in written:
            raise _unsupported(names[0], language, engine, written)
        return LanguageChoice(single.code, (), single.script)
    requested = [_read(text, names[1]) for text in languages]
    if len(requested) > MAX_LANGUAGES:
        raise ProtocolError(f"{names[1]}: got {len(requested)} languages, at most {MAX_LANGUAGES} allowed", names[1])
    candidates = [each for each in requested if each is not None]
    if not candidates or len(candidates) < len(requested):
        return LanguageChoice()
    codes = tuple(dict.fromkeys(each.code for each in candidates if not written or each.code in written))
    if not codes:
        raise _unsupported(names[1], ", ".join(each.tag for each in candidates), engine, written)
    script = next((each.script for each in candidates if each.script is not None), None)
    return LanguageChoice(codes[0], (), script) if len(codes) == 1 else LanguageChoice(None, codes, script)


def _read(text: str | None, name: str) -> Language | None:
    if text is None:
        return None
    try:
        return read_language(text)
    except ValueError as error:
        raise ProtocolError(str(error).replace("language", name, 1), name) from error


def _unsupported(name: str, got: str | None, engine: str, written: Collection[str]) -> ProtocolError:
    return ProtocolError(f"{name} {shortened(got)}: {engine} supports {', '.join(sorted(written))}", name)
