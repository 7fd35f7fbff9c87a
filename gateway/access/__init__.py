"""Who may use the gateway, and how much: keys, secrets, tokens, rate limits, admission."""
