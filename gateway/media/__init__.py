"""Files and containers from clients, each decoded in a separate process."""
