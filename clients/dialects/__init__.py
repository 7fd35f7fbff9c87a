"""Drivers of the dialects of streaming transcription servers: one module and one line of `DRIVERS` each."""
