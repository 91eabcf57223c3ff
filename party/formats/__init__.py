"""Formats of files that others make."""
