"""Clients of a gateway. May import `gateway.wire`, `gateway.exports` and `gateway.captions.subtitles` only."""
