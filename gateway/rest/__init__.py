"""The HTTP API that OpenAI's clients speak: files in, transcripts out."""
