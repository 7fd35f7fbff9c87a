"""Access control: API keys, client secrets, view tokens, rate limits, admission."""
