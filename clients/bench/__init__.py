"""`livecue bench`: measures any streaming transcription server against recordings whose words and times are known."""
