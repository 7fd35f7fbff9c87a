"""Sinks: where captions go beside the client and the viewers. The seam, what runs every sink, and a module for each."""
