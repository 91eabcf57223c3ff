"""What `python -m party` can do, one module per command. Each has `run(settings) -> int`."""
