"""The life of one session: its connection, pipeline and resume."""
