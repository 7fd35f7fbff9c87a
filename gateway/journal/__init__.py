"""The journal: a durable record of the events of all sessions."""
