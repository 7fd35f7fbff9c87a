"""The `livecue` command, a module per subcommand."""
