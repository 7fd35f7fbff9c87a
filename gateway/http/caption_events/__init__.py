"""Caption events over HTTP: addresses that outlive sessions."""
