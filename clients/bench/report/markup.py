"""Markup by construction: elements whose text and attributes are escaped, valid as HTML and as XML. PURE."""

import re
from html import escape

__all__ = ["Attribute", "Markup", "element", "joined"]

Attribute = str | float | bool | None

_VOID = frozenset({"br", "link", "meta"})
"""Elements of HTML without an end tag."""

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Not allowed in XML 1.0, or not in UTF-8."""


class Markup(str):
    """Text that is markup already; all other text is escaped."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: Attribute) -> Markup:
    """Return an element.

    Args:
        tag: its name.
        children: in order; those that are not `Markup` are escaped.
        attributes: `_` in a name stands for `-`, and one at its end is dropped (`class_`). None and False leave the
            attribute out, True gives it no value; numbers are rounded to hundredths.
    """
    written = "".join(
        _attribute(name, value) for name, value in attributes.items() if value is not None and value is not False
    )
    if tag in _VOID:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{joined(*children)}</{tag}>")


def joined(*children: str) -> Markup:
    """Return the children one after another; those that are not `Markup` are escaped."""
    return Markup("".join(child if isinstance(child, Markup) else _escaped(child) for child in children))


def _attribute(name: str, value: Attribute) -> str:
    written = "" if value is True else f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
    return f' {name.rstrip("_").replace("_", "-")}="{_escaped(str(written))}"'


def _escaped(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text))
