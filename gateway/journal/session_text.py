"""The text of a session, by which it is found. PURE."""

from collections.abc import Iterable

from gateway.journal.utterances import settled_utterances

__all__ = ["session_text"]


def session_text(messages: Iterable[str]) -> str:
    """Return the text of a session as it is now, a line for each utterance, sorted by start.

    Args:
        messages: of one session, as `event_json` returned them.

    Raises:
        ProtocolError: a message is malformed.
    """
    settled = settled_utterances(messages).values()
    texts = [(each.final.start_sample, each.text) for each in settled if each.final is not None and each.text]
    return "\n".join(" ".join(text.split()) for _, text in sorted(texts, key=lambda found: found[0]))
