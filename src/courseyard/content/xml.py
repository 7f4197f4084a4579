"""Reading XML by strangers: hardened parser, local names, collapsed white space, lines for findings.

Elements and attributes are matched by local name: real manifests use wrong, old and private namespaces.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from courseyard.content.findings import Finding, finding

Element = Any  # lxml's element class has no public name
XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"

_ENCODING = re.compile(rb'^(\s*<\?xml[^>]*?)\s+encoding\s*=\s*["\'][^"\']*["\']', re.IGNORECASE)
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_MAX_DIGITS = 40


@dataclass(slots=True)
class Notes:
    """Collects findings while a manifest is read."""

    findings: list[Finding] = field(default_factory=list)
    file: str = "imsmanifest.xml"

    def add(self, code: str, detail: str = "", at: Element | None = None) -> None:
        """Note a finding, with the line of an element."""
        line = at.sourceline if at is not None else None
        self.findings.append(finding(code, detail, file=self.file, line=line))


def parse(data: bytes, notes: Notes) -> Element | None:
    """The root element, or None with a finding that says where the XML breaks. Loads nothing from anywhere."""
    encoding = None
    if data.startswith(codecs.BOM_UTF8):
        notes.add("byte-order-mark")
        data, encoding = data.removeprefix(codecs.BOM_UTF8), "utf-8"
    if data[:1].isspace() and data.lstrip().startswith(b"<?xml"):
        notes.add("text-before-xml")
        data = data.lstrip()
    try:
        root = _parse(data, encoding)
    except (etree.XMLSyntaxError, LookupError, ValueError) as error:
        root = _parse_despite_encoding(data, notes)
        if root is None:
            line, column = getattr(error, "position", (None, None))
            where = f"Line {line}, column {column}: " if line else ""
            notes.findings.append(
                finding("bad-xml", f"{where}{getattr(error, 'msg', error)}.", file=notes.file, line=line)
            )
            return None
    if root.getroottree().docinfo.internalDTD is not None and _has_declarations(root):
        notes.add("doctype", at=root)
    return root


def _parse(data: bytes, encoding: str | None = None) -> Element:
    parser = etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    return etree.fromstring(data, parser)


def _parse_despite_encoding(data: bytes, notes: Notes) -> Element | None:
    """Try what such manifests usually are: UTF-8 that names another encoding, or Windows text that names UTF-8."""
    bare = _ENCODING.sub(rb"\1", data, count=1)
    for encoding in ("utf-8", "cp1252", "latin-1"):
        try:
            root = _parse(bare.decode(encoding).encode())
        except (UnicodeDecodeError, etree.XMLSyntaxError, ValueError):
            continue
        notes.add("wrong-encoding", f"It was read as {encoding}.")
        return root
    return None


def _has_declarations(root: Element) -> bool:
    dtd = root.getroottree().docinfo.internalDTD
    return any(True for _ in dtd.iterentities()) or any(True for _ in dtd.iterelements())


def local(element: Element) -> str:
    """The element's name without its namespace."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def children(element: Element, name: str) -> Iterator[Element]:
    """The children of that name, whatever their namespace."""
    return (child for child in element if local(child) == name)


def child(element: Element, name: str) -> Element | None:
    """The first child of that name."""
    return next(children(element, name), None)


def attribute(element: Element, name: str) -> str | None:
    """An attribute by local name, in any case, white space collapsed."""
    wanted = name.lower()
    # Only the names are walked: lxml looks each value up from the start, which 50,000 attributes turn into minutes.
    for key in element.attrib:
        if key.rsplit("}", 1)[-1].lower() == wanted:
            return collapse(element.attrib[key])
    return None


def text(element: Element | None) -> str | None:
    """The text of an element, white space collapsed; None if absent or empty."""
    if element is None:
        return None
    return collapse("".join(element.itertext())) or None


def raw_text(element: Element | None) -> str | None:
    """The text of an element as it stands, for values that courses read back."""
    if element is None:
        return None
    found = "".join(element.itertext()).strip()
    return found or None


def collapse(value: str) -> str:
    """White space collapsed, as the schema types of names and identifiers ask."""
    return " ".join(value.split())


def objective_id(value: str | None) -> str | None:
    """An objective's identifier: ``%20`` is a space, as in ADL's reference, and white space is collapsed.

    Other escapes stay: identifiers are compared letter by letter, and courses read them back as they wrote them.
    """
    return None if value is None else collapse(value.replace("%20", " "))


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def boolean(element: Element, name: str, notes: Notes) -> bool | None:
    """An XML boolean, or None where it is absent or cannot be read."""
    value = attribute(element, name)
    if value is None:
        return None
    if value.lower() not in _BOOLEANS:
        notes.add("bad-value", f"{name}={value!r} is neither true nor false.", element)
        return None
    return _BOOLEANS[value.lower()]


def number(
    value: str | None, what: str, element: Element, notes: Notes, low: float = -1.0, high: float = 1.0
) -> float | None:
    """A decimal number from ``low`` to ``high``, or None where it is absent, no number or beyond."""
    if value is None:
        return None
    if len(value) > _MAX_DIGITS or not _DECIMAL.fullmatch(value):
        notes.add("bad-value", f"{what}={value!r} is no number.", element)
        return None
    if not low <= float(value) <= high:
        notes.add("bad-value", f"{what}={value} is not between {low:g} and {high:g}.", element)
        return None
    return float(value)


def count(value: str | None, what: str, element: Element, notes: Notes) -> int | None:
    """A whole number from 0, or None where it is absent or cannot be read."""
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", value):
        notes.add("bad-value", f"{what}={value!r} is no whole number.", element)
        return None
    return int(value)


def word(value: str | None, words: Collection[str], what: str, element: Element, notes: Notes) -> str | None:
    """A word of a vocabulary, written as the standard does; None where it is absent or unknown."""
    if not value:
        return None
    known = next((w for w in words if w.lower() == value.lower()), None)
    if known is None:
        notes.add("bad-value", f"{what}={value!r} is not one of: {', '.join(words)}.", element)
    return known
