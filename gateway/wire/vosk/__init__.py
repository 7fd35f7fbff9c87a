"""The dialect of vosk-server."""
