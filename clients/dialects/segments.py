"""The segments of a session as they are displayed, so that only changes become events. PURE."""

from clients.dialects.driver import TimedText, Transcript

__all__ = ["Segments"]


class Segments:
    """The newest text of every segment."""

    def __init__(self) -> None:
        self._newest: dict[str, Transcript] = {}

    def update(
        self,
        segment: str | int,
        text: str,
        *,
        is_final: bool = False,
        committed_chars: int | None = None,
        words: tuple[TimedText, ...] = (),
    ) -> list[Transcript]:
        """Return the transcript if it changes what is displayed or makes it final; else nothing.

        A segment without text appears only to withdraw what it displayed. After its final it does not change.
        """
        new = Transcript(str(segment), text, is_final, committed_chars, words)
        old = self._newest.get(new.segment)
        if new == old or (old is not None and old.is_final) or (old is None and not text):
            return []
        self._newest[new.segment] = new
        return [new]

    def text(self, segment: str | int) -> str:
        """Return what a segment displays; empty: nothing."""
        newest = self._newest.get(str(segment))
        return "" if newest is None else newest.text

    def finish(self, segment: str | int) -> list[Transcript]:
        """Return the transcript that makes a segment final as it is displayed; nothing if it displays nothing."""
        newest = self._newest.get(str(segment))
        if newest is None:
            return []
        committed = None if newest.committed_chars is None else len(newest.text)
        return self.update(segment, newest.text, is_final=True, committed_chars=committed, words=newest.words)
