"""Deepgram's routes."""
