"""Elements of HTML and SVG as values, and the page that they stand on.

Text and attributes are escaped when a page is written, by the standard library; so a name from a
job cannot become markup.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

from protocol.errors import ConfigError

Content = Element | str | None
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'"  # whatever is shown, nothing is loaded or run
)


def tag(name: str, /, *children: Content, **attributes: str | float | None) -> Element:
    """An element; None, as a child or an attribute, is left out. `class_` is class, `aria_label` is
    aria-label; numbers are written short."""
    found = Element(name)
    for key, value in attributes.items():
        if value is not None:
            found.set(
                key.rstrip("_").replace("_", "-"),
                value if isinstance(value, str) else f"{value:.6g}",
            )
    for child in children:
        if isinstance(child, Element):
            found.append(child)
        elif child is not None and len(found):
            found[-1].tail = (found[-1].tail or "") + child
        elif child is not None:
            found.text = (found.text or "") + child
    return found


def page(title: str, *content: Content) -> str:
    """A whole HTML file, style included, that loads nothing from elsewhere."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("title", title),
        tag("style", files(__package__).joinpath("style.css").read_text("utf-8")),
    )
    whole = tag("html", head, tag("body", tag("main", *content)), lang="en")
    return "<!doctype html>\n" + tostring(whole, encoding="unicode", method="html") + "\n"


def write(path: Path, text: str, option: str) -> None:
    """Put a page into a file; ConfigError that names the option where that fails."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the page cannot be written to {path}: {error.strerror}; check {option}"
        ) from None
