"""The forms of a page."""

from html.parser import HTMLParser


class Forms(HTMLParser):
    """The forms of a page: where each leads, and its hidden members."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        attribute = dict(attributes)
        if tag == "form":
            self.found.append((attribute["action"], {}))
        elif tag == "input" and attribute.get("type") == "hidden":
            self.found[-1][1][attribute["name"]] = attribute["value"]
