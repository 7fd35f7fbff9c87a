"""Deepgram's dialects: `/v1/listen` and Flux at `/v2/listen`."""
