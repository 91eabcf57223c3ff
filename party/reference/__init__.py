"""The table of operations: what each costs, how exact it is and where, taken from real plans and
runs of one operation."""

from .comparisons import COMPARISONS
from .entry import Entry
from .facts import Facts, facts
from .inverses import INVERSES
from .layout import markdown
from .shapes import SHAPES
from .smooth import SMOOTH
from .sums import SUMS

CATALOGUE: dict[str, tuple[Entry, ...]] = SUMS | SMOOTH | COMPARISONS | INVERSES | SHAPES
"""Kind of operation → its entries, in the order of the page."""

__all__ = ["CATALOGUE", "Entry", "Facts", "facts", "markdown"]
