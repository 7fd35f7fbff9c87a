"""The life of one session: pipeline, connection, resume."""
