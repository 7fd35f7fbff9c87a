"""Clients of a gateway. May import `gateway.wire` and `gateway.captions.subtitles` only."""
