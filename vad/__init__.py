"""Voice activity detection: bytes to sound, sound to utterances. A leaf: it imports no other package of livecue."""
