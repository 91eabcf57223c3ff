"""One module per subcommand, whose docstring says what it does. Its run(config) does that, and
returns the exit code of the process; an MpcError ends the process with a code of its own."""
