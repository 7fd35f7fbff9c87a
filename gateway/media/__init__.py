"""Files and containers from clients, decoded in processes of their own."""
