"""The command line: one module per group of commands, each with a Typer app or a `register`."""
