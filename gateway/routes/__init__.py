"""The routes of the dialects, a module each."""
