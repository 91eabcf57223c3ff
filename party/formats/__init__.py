"""Formats of files that others make, and frames. A fault in the data is one sentence that names
places, never values."""
