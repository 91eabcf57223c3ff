"""Counters of what the dealer has done, over all sessions, for its page and its metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """The counters. They only grow, and only the event loop writes them."""

    sessions: int = 0  # that were opened
    streams: int = 0  # that were begun, one for each attempt at a run
    chunks: int = 0  # that were sent
    bytes: int = 0  # of corrections in them
    waited_for_credit: float = 0.0  # seconds that a chunk was ready and its party was not
    refused: int = 0  # connections and parties
    failed: int = 0  # sessions, by a fault of the dealer's
