"""The resources of a manifest: which file an item opens, and whether the files that are listed are there.

Surprising: an ``href`` is an address and a file name at once. Real packages write names with spaces, ``%`` or ``#``
plainly, escape them, or get their case wrong; what counts is which file was meant.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from courseyard.content.xml import XML_BASE, Element, Notes, attribute, children

_SAFE = "/!$&'()*+,;=:@~"


class Names:
    """The file names of a package, to be found as authors mean them."""

    def __init__(self, names: Collection[str]) -> None:
        """Index the names; they are expected in Unicode form C, as the archive gives them."""
        self._names = set(names)
        self._folded = {name.casefold(): name for name in sorted(names, reverse=True)}

    def find(self, path: str) -> str | None:
        """The file of that name, else the one that differs in case only."""
        name = unicodedata.normalize("NFC", path)
        return name if name in self._names else self._folded.get(name.casefold())


@dataclass(frozen=True, slots=True)
class Launch:
    """What opens for an item: the address as the course document has it, and whether there is something behind it."""

    href: str
    opens: bool


class Resource:
    """One resource; its launch address is worked out, and its faults are told, once."""

    def __init__(self, element: Element, base: str) -> None:
        """``base`` is the ``xml:base`` that holds around the resource."""
        self.element = element
        self.identifier = attribute(element, "identifier") or ""
        self.href = attribute(element, "href")
        self.scorm_type = _scorm_type(element)
        self.base = joined(base, element.get(XML_BASE, "").strip())
        self.dependencies = [attribute(d, "identifierref") or "" for d in children(element, "dependency")]
        self._launch: Launch | None = None
        self._known = False

    def launch(self, names: Names | None, notes: Notes) -> Launch | None:
        """The page that it opens; None, with a finding, if it names none that may be opened."""
        if not self._known:
            self._known = True
            self._launch = self._find_launch(names, notes)
        return self._launch

    def _find_launch(self, names: Names | None, notes: Notes) -> Launch | None:
        if not self.href:
            notes.add("no-href", f"It is {self.identifier!r}.", self.element)
            return None
        address = joined(self.base, self.href)
        if is_external(address):
            notes.add("external-launch", f"It is {address}.", self.element)
            return Launch(address, True)
        path, tail = _split(address)
        if path.startswith("/"):
            notes.add("absolute-href", f"It is {address!r}.", self.element)
        inside = within_package(path)
        if _scheme(address) or not inside:
            notes.add("unsafe-href", f"It is {address!r}.", self.element)
            return None
        if names is None:
            return Launch(inside + tail, True)
        return self._in_package(address, inside, tail, names, notes)

    def _in_package(self, address: str, path: str, tail: str, names: Names, notes: Notes) -> Launch:
        name = names.find(unquote(path))
        if name == unquote(path):
            return Launch(path + tail, True)
        if name is not None:
            if name.casefold() == unquote(path).casefold() and name != unicodedata.normalize("NFC", unquote(path)):
                notes.add("file-case", f"{unquote(path)} is {name}.", self.element)
            return Launch(quote(name, _SAFE) + tail, True)
        # A name that holds %, ? or # itself, written as it is.
        plain = within_package(address)
        name = names.find(plain) if plain else None
        if name is not None:
            return Launch(quote(name, _SAFE), True)
        return self._under_base(path, tail, names, notes)

    def _under_base(self, path: str, tail: str, names: Names, notes: Notes) -> Launch:
        """The last try: a base that was meant as a folder."""
        if self.base and not self.base.endswith("/"):
            meant, _ = _split(joined(self.base + "/", self.href or ""))
            name = names.find(unquote(within_package(meant) or ""))
            if name is not None:
                notes.add("base-without-slash", f"It is {self.base!r}.", self.element)
                return Launch(quote(name, _SAFE) + tail, True)
        notes.add("missing-launch-file", f"It is {unquote(path)}.", self.element)
        return Launch(path + tail, False)

    def check_files(self, names: Names, notes: Notes) -> None:
        """Compare the listed files with those of the package; the launch page has been looked at already."""
        for file in children(self.element, "file"):
            href = attribute(file, "href") or ""
            address = joined(self.base, href)
            if not href or href == self.href or is_external(address) or _scheme(address):
                continue
            path = within_package(_split(address)[0])
            if path is None:
                notes.add("unsafe-href", f"It is {address!r}.", file)
                continue
            listed = unicodedata.normalize("NFC", unquote(path))
            name = names.find(listed) or names.find(path)
            if name is None:
                notes.add("missing-file", f"It is {listed}.", file)
            elif name not in (listed, path):
                notes.add("file-case", f"{listed} is {name}.", file)


def read_resources(manifest: Element, notes: Notes) -> dict[str, Resource]:
    """All resources by identifier, each with the ``xml:base`` of everything around it."""
    found: dict[str, Resource] = {}
    base = manifest.get(XML_BASE, "").strip()
    for group in children(manifest, "resources"):
        group_base = joined(base, group.get(XML_BASE, "").strip())
        for element in children(group, "resource"):
            resource = Resource(element, group_base)
            if not resource.identifier:
                notes.add("no-identifier", "It is a resource.", element)
            elif resource.identifier in found:
                notes.add("duplicate-resource", f"It is {resource.identifier!r}.", element)
            else:
                found[resource.identifier] = resource
    return found


def joined(base: str, href: str) -> str:
    """An address relative to a base, the base's last name left away as for web addresses; not yet normalised."""
    href = href.replace("\\", "/")
    if not href:
        return base
    if is_external(href) or _scheme(href) or href.startswith("/") or not base:
        return href
    return base.replace("\\", "/").rpartition("/")[0].removesuffix("/") + "/" + href if "/" in base else href


def is_external(address: str) -> bool:
    """Whether it leads to another server."""
    return _scheme(address) in {"http", "https"} or address.startswith("//")


def within_package(path: str) -> str | None:
    """The path from the package's root without ``.`` and ``..``; None if it climbs out or names nothing."""
    parts: list[str] = []
    for part in path.replace("\\", "/").split("/"):
        if unquote(part) == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts) or None


def with_parameters(href: str, parameters: str | None) -> str:
    """Append an item's parameters to the address of its resource (SCORM 2004 CAM 3.4.1.5; also used for 1.2)."""
    rest = (parameters or "").lstrip("?&")
    if not rest:
        return href
    if rest.startswith("#"):
        return href if "#" in href else href + rest
    plain, mark, fragment = href.partition("#")
    made = f"{plain}{'&' if '?' in plain else '?'}{rest}"
    return made if "#" in rest else f"{made}{mark}{fragment}"


def _scorm_type(element: Element) -> str | None:
    stated = (attribute(element, "scormType") or "").lower()
    return stated if stated in {"sco", "asset"} else None


def _scheme(address: str) -> str:
    """The scheme of an address; of one that cannot be read, something that nothing accepts."""
    try:
        return urlsplit(address).scheme
    except ValueError:
        return "unreadable"


def _split(address: str) -> tuple[str, str]:
    """The path, and what follows it: query and fragment."""
    ends = [at for at in (address.find("?"), address.find("#")) if at >= 0]
    end = min(ends, default=len(address))
    return address[:end], address[end:]
