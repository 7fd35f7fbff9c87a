"""Transcripts as files: subtitles and documents."""
