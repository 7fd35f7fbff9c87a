"""Durable events of sessions, by sequence number."""
