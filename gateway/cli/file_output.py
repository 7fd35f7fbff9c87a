"""Captions of recordings, laid out with the whole text in view before they are written."""

from clients.caption_writers import Output
from gateway.captions.cue_profiles import CueProfile
from gateway.captions.file_captions import FileCaptions
from gateway.wire import CueEvent, Final, ServerEvent

__all__ = ["FileOutput"]


class FileOutput:
    """An output that has the cues of `FileCaptions` in place of those of the session.

    Args:
        output: writes them.
        profile: of the cues.
    """

    def __init__(self, output: Output, profile: CueProfile) -> None:
        self._output = output
        self._captions = FileCaptions(profile)

    def event(self, event: ServerEvent) -> None:
        """Write the text that the event adds, as soon as nothing after it can change its cues."""
        match event:
            case CueEvent():
                return
            case Final(text="", error=str()):
                cues = self._captions.finish(event.start_sample)
            case Final():
                cues = self._captions.add(event)
            case _:
                cues = []
        for cue in cues:
            self._output.event(CueEvent(0, cue))
        self._output.event(event)

    def close(self) -> tuple[str, ...]:
        """Write the remaining cues and the end of the document, and return what the format could not express."""
        for cue in self._captions.finish():
            self._output.event(CueEvent(0, cue))
        return self._output.close()
