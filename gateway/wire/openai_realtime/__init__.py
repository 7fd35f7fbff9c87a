"""OpenAI's Realtime transcription; `docs/realtime.md` describes it."""
