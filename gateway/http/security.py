"""How the documentation says that a route takes a key."""

from fastapi.security import HTTPBearer

__all__ = ["API_KEY"]

API_KEY = HTTPBearer(auto_error=False, scheme_name="API key", description="A key, where the gateway has any.")
"""Only described here; the doorkeeper lets in."""
