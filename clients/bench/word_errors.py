"""Word and character errors of a transcript, by jiwer. PURE."""

from collections.abc import Iterable, Sequence

from msgspec import structs

from clients.bench.normaliser import bench_library
from clients.bench.result import Errors

__all__ = ["NO_ERRORS", "count_errors", "summed_errors"]

NO_ERRORS = Errors(0, 0, 0, 0, None, 0, 0, None)


def count_errors(reference: Sequence[str], transcript: Sequence[str]) -> Errors:
    """Return the errors of a transcript: the fewest changes that make it the reference (Levenshtein).

    Spaces are no characters, so that "every day" for "everyday" costs no character.

    Args:
        reference: words that were spoken, as they are compared.
        transcript: words of the finals, as they are compared.

    Raises:
        BenchExtraMissing: jiwer is not installed.
    """
    jiwer = vars(bench_library("jiwer"))
    words = jiwer["process_words"](" ".join(reference), " ".join(transcript))
    characters = jiwer["process_characters"]("".join(reference), "".join(transcript))
    return _errors(
        Errors(
            words=len(reference),
            substituted=words.substitutions,
            inserted=words.insertions,
            deleted=words.deletions,
            wer=None,
            characters=sum(map(len, reference)),
            character_errors=characters.substitutions + characters.insertions + characters.deletions,
            cer=None,
        )
    )


def summed_errors(errors: Iterable[Errors]) -> Errors:
    """Return the errors of several transcripts together."""
    total = NO_ERRORS
    for each in errors:
        total = Errors(
            words=total.words + each.words,
            substituted=total.substituted + each.substituted,
            inserted=total.inserted + each.inserted,
            deleted=total.deleted + each.deleted,
            wer=None,
            characters=total.characters + each.characters,
            character_errors=total.character_errors + each.character_errors,
            cer=None,
        )
    return _errors(total)


def _errors(counts: Errors) -> Errors:
    wrong = counts.substituted + counts.inserted + counts.deleted
    return structs.replace(
        counts,
        wer=wrong / counts.words if counts.words else None,
        cer=counts.character_errors / counts.characters if counts.characters else None,
    )
