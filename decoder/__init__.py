"""Speech to words: requests of all sessions, planned into batches for one engine."""
