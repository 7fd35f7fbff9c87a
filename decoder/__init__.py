"""Speech recognition: requests of all sessions, planned into batches for one engine."""
