"""Routes of sessions: list, follow, export, delete."""
