"""The OpenAPI description of the API key."""

from fastapi.security import HTTPBearer

__all__ = ["API_KEY"]

API_KEY = HTTPBearer(auto_error=False, scheme_name="API key", description="Required where the gateway has keys.")
"""Describes the key; the authenticator checks it."""
