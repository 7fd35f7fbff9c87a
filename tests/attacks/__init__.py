"""Attacks, each as a test of the defence against it."""
