"""What people call a session and its channels. PURE."""

from dataclasses import dataclass

__all__ = ["MAX_CHANNEL_NAMES", "MAX_NAME_CHARS", "MAX_TITLE_CHARS", "ChannelName", "names_of"]

MAX_TITLE_CHARS = 200
"""Two lines of a heading; YouTube allows 100 characters."""

MAX_NAME_CHARS = 80
"""Of a channel's name; it precedes captions."""

MAX_CHANNEL_NAMES = 8
"""As many as a session has channels at most."""


@dataclass(frozen=True, slots=True)
class ChannelName:
    """The name of the speaker, or of the source, of one channel.

    Attributes:
        channel: 0 to 7.
        name: 1 to 80 characters, without line breaks.
        color: `#rrggbb`, in which captions of the channel may be displayed; None: no color.
    """

    channel: int
    name: str
    color: str | None = None


def names_of(names: tuple[ChannelName, ...]) -> dict[int, str]:
    """Return the names by channel."""
    return {each.channel: each.name for each in names}
