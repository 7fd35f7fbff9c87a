"""Voice activity detection: bytes to audio, audio to utterances. A leaf: it imports no other package of livecue."""
