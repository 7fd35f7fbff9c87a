"""The gateway: connections in, captions out."""
