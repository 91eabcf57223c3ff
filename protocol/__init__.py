"""What both parties and the dealer agree on: arithmetic, correlations, plans, messages."""

__version__ = "0.1.0"
