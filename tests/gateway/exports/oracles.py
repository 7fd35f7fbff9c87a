"""What other programs read in a file."""

import ttconv.model

__all__ = ["paragraphs"]


def paragraphs(document: ttconv.model.ContentDocument) -> list[tuple[float, float, str]]:
    """Return begin and end in seconds, and the text with its line breaks, of each paragraph that ttconv has read."""
    found = []
    for element in document.get_body().dfs_iterator():
        if isinstance(element, ttconv.model.P):
            parts = ("\n" if isinstance(part, ttconv.model.Br) else text_of(part) for part in element.dfs_iterator())
            found.append((float(element.get_begin() or 0), float(element.get_end()), "".join(parts)))
    return found


def text_of(element: ttconv.model.ContentElement) -> str:
    return str(element.get_text()) if isinstance(element, ttconv.model.Text) else ""
