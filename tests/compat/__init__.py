"""Frameworks that weigh too much for every run; `make test-compat` gives them an environment of their own."""
