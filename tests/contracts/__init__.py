"""One suite a seam: what every detector, engine and codec promises."""
