"""`python -m clients.demo`: a meeting, captioned live by a gateway of its own. The recording lies beside this file."""
