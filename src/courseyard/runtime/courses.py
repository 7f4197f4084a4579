"""Courses ready to play: document and activity tree of a package version, kept at hand because they never change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from courseyard.db import Database, Queries
from courseyard.errors import NotFoundError
from courseyard.limits import MAX_CACHED_COURSES
from courseyard.sequencing import Tree, build_tree

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Course:
    """One package version. ``items`` are those of the default organisation, by identifier, in preorder."""

    version_id: str
    package_id: str
    title: str
    standard: str
    edition: str
    organization: Item
    items: dict[str, Item]
    tree: Tree

    @property
    def leaves(self) -> Iterator[Item]:
        """What can be delivered."""
        return (item for item in self.items.values() if not item.get("children"))

    @property
    def has_prerequisites(self) -> bool:
        """Whether parts may wait for others as SCORM 1.2 has it; SCORM 2004 has its sequencing rules."""
        return self.standard == "1.2" and any("prerequisites" in item for item in self.items.values())

    @property
    def shares_objectives(self) -> bool:
        """Whether global objectives live with the learner, across courses (S&N 3.10.2)."""
        return bool(self.organization.get("objectives_global_to_system", True))

    @property
    def shares_stores(self) -> bool:
        """Whether shared data live with the learner, across courses."""
        return bool(self.organization.get("shared_data_global_to_system", True))

    def store_targets(self) -> list[str]:
        """The identifiers of all shared data stores that items refer to."""
        return sorted({s["target"] for item in self.items.values() for s in item.get("shared_data", ())})


def make_course(version_id: str, package_id: str, standard: str, edition: str, document: dict[str, Any]) -> Course:
    """A course from its document."""
    default = document["default_organization"]
    organization = next(
        (o for o in document["organizations"] if o["identifier"] == default), document["organizations"][0]
    )
    return Course(
        version_id=version_id,
        package_id=package_id,
        title=organization.get("title") or document.get("title") or "",
        standard=standard,
        edition=edition,
        organization=organization,
        items=dict(_walk(organization)),
        tree=build_tree(document),
    )


class Courses:
    """Loads courses and keeps the ones used last."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._kept: OrderedDict[str, Course] = OrderedDict()

    async def get(self, version_id: str, db: Database | Queries) -> Course:
        """The course of a package version; ``db`` is asked if it is not at hand.

        Raises:
            NotFoundError: the package was deleted.
        """
        # No lock: who waits for one would hold a database connection that the loader may be waiting for.
        found = self._kept.get(version_id) or await _load(version_id, db)
        self._kept[version_id] = found
        self._kept.move_to_end(version_id)
        while len(self._kept) > MAX_CACHED_COURSES:
            self._kept.popitem(last=False)
        return found


async def _load(version_id: str, db: Database | Queries) -> Course:
    row = await db.one("runtime.course", version_id=version_id)
    if row is None:
        raise NotFoundError("This course has been deleted.")
    return make_course(row["version_id"], row["package_id"], row["standard"], row["edition"], row["document"])


def _walk(item: Item) -> Iterator[tuple[str, Item]]:
    stack = [item]
    while stack:
        current = stack.pop()
        yield current["identifier"], current
        stack.extend(reversed(current.get("children", [])))
