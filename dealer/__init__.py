"""The dealer: makes correlated randomness for both parties' plans, and never sees data."""
