"""Whisper in torch."""
