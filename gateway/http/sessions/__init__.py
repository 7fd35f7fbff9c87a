"""The routes of sessions: list, follow, export, delete."""
