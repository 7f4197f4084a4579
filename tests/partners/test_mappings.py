"""Mappings by hand, by pasted lines and from suggestions."""

from __future__ import annotations

import pytest
from fix_web import RunningSite, upload

from courseyard.errors import InvalidInputError, NotFoundError
from courseyard.partners.mappings import Filter, Link

PROVIDER = "e0000000-0000-4000-8000-000000000001"


class Ours:
    """Two partners' courses, and what of ours they may be mapped to."""

    def __init__(self, site: RunningSite) -> None:
        self.site = site
        self.mappings = site.services.hub.mappings
        site.sql(
            "insert into public.partner_lms_providers (id, provider_name, provider_type) values (%s, 'Academy', 'x')",
            PROVIDER,
        )
        site.sql(
            "insert into public.partner_courses (provider_id, external_course_id, course_code, course_name) values "
            "(%(p)s, 'f-1', 'FORK', 'Forklift driving'), (%(p)s, 'w-1', 'WELD', 'Arc welding basics'), "
            "(%(p)s, 'w-2', 'WELD', 'Zumba')".replace("%(p)s", f"'{PROVIDER}'")
        )
        site.sql("insert into public.programs (title) values ('Warehouse')")
        site.sql("insert into public.courses (title) values ('Forklift Driving'), ('Basics of arc welding')")
        self.package = upload(site.client()).json()["id"]

    def course(self, key: str) -> str:
        [(found,)] = self.site.sql("select id::text from public.partner_courses where external_course_id = %s", key)
        return found

    def own(self, title: str) -> str:
        [(found,)] = self.site.sql("select id::text from courseyard.mapping_choices_v1() where title = %s", title)
        return found

    def shown(self, **chosen: object) -> list[tuple[str, str, bool, list[str]]]:
        rows = self.site.run(self.mappings.find(Filter(**chosen), 50, 0))  # type: ignore[arg-type]
        return [
            (r["partner_course"], r["mapping_type"], r["is_active"], [t["title"] for t in r["targets"]]) for r in rows
        ]


@pytest.fixture
def ours(site: RunningSite) -> Ours:
    return Ours(site)


def test_a_mapping_is_made_once_changed_and_deleted(ours: Ours) -> None:
    site, mappings = ours.site, ours.mappings
    link = Link(ours.course("f-1"), "package", ours.package)
    [(first, created)] = site.run(mappings.add([link], "credit", None))
    assert created
    assert site.run(mappings.change([first], active=False)) == 1
    [(second, created)] = site.run(mappings.add([link], "equivalent", None))
    assert (second, created) == (first, False)
    site.run(mappings.add([Link(link.course, "program", ours.own("Warehouse"))], "elective", None))
    assert len(ours.shown()) == 2
    assert ours.shown(mapping_type="elective") == [("Forklift driving", "elective", True, ["Warehouse"])]
    assert ours.shown(pattern="%ware%") == ours.shown(mapping_type="elective")
    assert ours.shown(provider_id=PROVIDER, active=False) == []
    site.run(mappings.delete([first]))
    with pytest.raises(NotFoundError):
        site.run(mappings.get(first))


def test_what_cannot_be_is_refused(ours: Ours) -> None:
    good = Link(ours.course("f-1"), "package", ours.package)
    with pytest.raises(InvalidInputError, match="mapping type"):
        ours.site.run(ours.mappings.add([good], "same", None))
    with pytest.raises(InvalidInputError, match="target"):
        ours.site.run(ours.mappings.add([Link(good.course, "planet", good.target)], "credit", None))
    with pytest.raises(NotFoundError):
        ours.site.run(ours.mappings.add([good, Link(good.target, "package", good.target)], "credit", None))
    assert ours.shown() == []


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_pasted_lines_are_done_as_far_as_they_are_understood(ours: Ours, mark: str) -> None:
    lines = [
        ("Partner course", "Target"), ("f-1", "course:Forklift Driving"), ("FORK", ours.package, "credit"),
        ("arc WELDING basics", "Basics of arc welding"), ("WELD", "Warehouse"), ("nobody", "Warehouse"), ("f-1", ""),
        ("f-1", "Warehouse", "same"), ("f-1", "program:Forklift Driving"),
    ]  # fmt: skip
    text = "\n".join(mark.join(line) for line in lines)
    pasted = ours.site.run(ours.mappings.paste(text, "equivalent", None, None))
    assert pasted.done == 3
    assert [line.split(mark)[0] for line, _ in pasted.wrong] == ["WELD", "nobody", "f-1", "f-1", "f-1"]
    reasons = ["2 different", "No course", "two fields", "mapping type", "Nothing here"]
    assert all(reason in why for reason, (_, why) in zip(reasons, pasted.wrong, strict=True)), pasted.wrong
    assert {(course, kind) for course, kind, _, _ in ours.shown()} == {
        ("Forklift driving", "equivalent"), ("Forklift driving", "credit"), ("Arc welding basics", "equivalent"),
    }  # fmt: skip


@pytest.mark.parametrize("extension", [True, False])
def test_suggestions_are_confirmed_or_let_go_for_good(ours: Ours, extension: bool) -> None:
    site, mappings = ours.site, ours.mappings
    if extension:
        site.sql("create schema tools")
        site.sql("create extension pg_trgm schema tools")
    shown, total = site.run(mappings.suggestions(None, 0))
    assert total == 3
    found = {course["title"]: [(s.kind, s.title, round(s.score, 2)) for s in best] for course, best in shown}
    assert found == {
        "Arc welding basics": [("course", "Basics of arc welding", 0.86)],
        "Forklift driving": [("course", "Forklift Driving", 1.0)],
    }
    links = {course["title"]: Link(course["id"], best[0].kind, best[0].target) for course, best in shown}
    site.run(mappings.dismiss([links["Arc welding basics"]], None))
    site.run(mappings.add([links["Forklift driving"]], "equivalent", None))
    assert site.run(mappings.suggestions(None, 0)) == ([], 2)
