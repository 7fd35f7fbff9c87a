"""The native dialect; `docs/protocol.md` describes it."""
