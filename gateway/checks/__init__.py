"""Subtitle files read back, and checked against the rules of a profile."""
