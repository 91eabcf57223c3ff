"""What both parties and the dealer agree on: arithmetic, correlations, plans, messages."""
