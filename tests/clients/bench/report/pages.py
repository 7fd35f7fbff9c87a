"""Reports and drawings, parsed: what does not parse as XML fails."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, XMLPullParser

from clients.bench.report.html_file import read_assets
from clients.bench.report.page import page
from clients.bench.result import Result

__all__ = ["all_text", "classes", "elements", "parsed", "parsed_page"]


def parsed(markup: str) -> Element:
    """Return the root of a document or a fragment with one root."""
    parser: XMLPullParser[Element] = XMLPullParser(["start"])
    parser.feed(markup)
    parser.close()
    for event in parser.read_events():
        match event:
            case (_, Element() as root):
                return root
    raise AssertionError("no element")


def parsed_page(results: Sequence[Result]) -> Element:
    """Return the root of the report on results."""
    return parsed(page(results, read_assets()).removeprefix("<!DOCTYPE html>"))


def elements(root: Element, name: str) -> list[Element]:
    """Return the elements that have a class or, with no such element, a tag."""
    of_class = [found for found in root.iter() if name in classes(found)]
    return of_class or list(root.iter(name))


def classes(found: Element) -> list[str]:
    """Return the classes of an element."""
    return found.get("class", "").split()


def all_text(root: Element) -> str:
    """Return the text of an element and all below it, separated by single spaces."""
    return " ".join(" ".join(root.itertext()).split())
