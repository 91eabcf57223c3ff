"""The laboratory: one job over a grid of links, measured, predicted and drawn."""
