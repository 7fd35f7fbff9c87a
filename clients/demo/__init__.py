"""`python -m clients.demo`: recorded speech, captioned live by a gateway of its own. The recording lies here."""
