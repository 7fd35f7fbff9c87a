"""Wrap Whisper's vocabulary: tokens, languages, and the tokens that are never generated."""

from collections.abc import Sequence

import tokenizers
from faster_whisper.tokenizer import Tokenizer

from decoder.types import Task
from decoder.whisper.batch_plan import Plan

__all__ = ["Vocabulary"]

MARKS = ".,?!;:-…。，？！、"
"""Punctuation that one hypothesis has and the next has not."""

TRANSLATED_INTO = "en"
"""The only language that Whisper was trained to translate into."""


class Vocabulary:
    """The tokens of one model. Thread-safe.

    Attributes:
        is_multilingual: whether the model has languages and tasks.
        languages: ISO-639-1 codes that it can transcribe.
        eot: <|endoftext|>; text tokens are below it.
        sot_prev: <|startofprev|>.
        sot: <|startoftranscript|>.
        first_time: <|0.00|>; timestamps are this and above.
        marks: tokens of a single punctuation mark.
        suppressed: tokens that are never generated, ascending; timestamps are not among them.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, languages: Sequence[str], *, is_multilingual: bool) -> None:
        """Wrap a tokenizer.

        Args:
            tokenizer: of the model.
            languages: codes that the model may have.
            is_multilingual: whether it has languages other than English.
        """
        self._tokenizer = tokenizer
        self.is_multilingual = is_multilingual
        self.languages = tuple(
            code for code in languages if not is_multilingual or tokenizer.token_to_id(f"<|{code}|>") is not None
        )
        self._tokenizers = {
            (code, task): Tokenizer(tokenizer, is_multilingual, task=task, language=code)
            for code in self.languages
            for task in Task
        }
        any_tokenizer = self._tokenizers[self.languages[0], Task.TRANSCRIBE]
        self.eot: int = any_tokenizer.eot
        self.sot: int = any_tokenizer.sot
        self.sot_prev: int = any_tokenizer.sot_prev
        self.first_time: int = any_tokenizer.timestamp_begin
        # As in faster-whisper, plus the other special tokens except timestamps: none of them belongs in a text.
        self.suppressed = tuple(
            sorted({*any_tokenizer.non_speech_tokens, *range(self.eot + 1, any_tokenizer.no_timestamps + 1)})
        )

        self.marks = frozenset(token for mark in MARKS for token in self.tokens(mark))

    @property
    def no_timestamps(self) -> int:
        """<|notimestamps|>, which stands right before the timestamps."""
        return self.first_time - 1

    def tokens(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a text.

        Raises:
            TypeError, ValueError: the text has lone surrogates.
        """
        # Special tokens spelled out in a text would be treated as control tokens and corrupt the whole batch.
        return tuple(token for token in self._tokenizer.encode(text, add_special_tokens=False).ids if token < self.eot)

    def token(self, special: str) -> int | None:
        """Return the token of that exact spelling, for example `<|nospeech|>`; None if there is none."""
        token: int | None = self._tokenizer.token_to_id(special)
        return token

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        text: str = self._tokenizer.decode(list(tokens))
        return text

    def start(self, plan: Plan, language: str) -> tuple[int, ...]:
        """Return <|startoftranscript|> and the tokens of language and task."""
        return tuple(self._tokenizers[language, plan.request.task].sot_sequence)

    def before_text(self, plan: Plan) -> tuple[int, ...]:
        """Return the token that disables timestamps, for partials."""
        return (self.no_timestamps,) if plan.is_partial else ()

    def split_words(self, tokens: Sequence[int], plan: Plan, language: str) -> tuple[list[str], list[list[int]]]:
        """Return the words of a plan's text and the tokens of each, by the language of the text."""
        is_translated = plan.request.task is Task.TRANSLATE and TRANSLATED_INTO in self.languages
        tokenizer = self._tokenizers[TRANSLATED_INTO if is_translated else language, Task.TRANSCRIBE]
        words: tuple[list[str], list[list[int]]] = tokenizer.split_to_word_tokens(list(tokens))
        return words
