"""The routes of Deepgram's API."""
