"""Scripts for the development of the project, which are not installed."""
