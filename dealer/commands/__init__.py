"""One module per subcommand; each has run(settings) → exit code."""
