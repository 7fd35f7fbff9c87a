"""OpenAI's routes: transcription of files, Realtime."""
