"""Pages of a partner's catalogue: looked at, compared, chosen from, imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest
from fix_web import RunningSite
from partners.scripted import Scripted, course, draft, page, scripted_kind

from courseyard.errors import PartnerRefusedError, PartnerUnreachableError
from courseyard.partners.connector import Stream
from courseyard.partners.providers import Draft, Settings


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        yield kind


class Catalogue:
    """The page of a provider's courses, as an administrator."""

    def __init__(self, site: RunningSite) -> None:
        self.site = site
        self.provider = site.run(site.services.hub.providers.save(draft(schedule_minutes=None)))
        self.path = f"/partners/providers/{self.provider}/catalogue"
        self.admin: httpx.Client = site.browser(site.person("admin"))

    def offers(self, *courses: object) -> None:
        """What the partner offers from now on, looked at."""
        Scripted.script = {Stream.CATALOGUE: [page(*courses)]}  # type: ignore[arg-type]
        assert self.admin.post(f"{self.path}/look").status_code == 303
        self.site.work()

    def shown(self, query: str = "") -> str:
        answer = self.admin.get(f"{self.path}?{query}")
        assert answer.status_code == 200
        return answer.text

    def keys(self, query: str = "") -> list[str]:
        return re.findall(r'name="keys" value="([^"]+)"', self.shown(query))

    def imported(self) -> list[str]:
        return [key for (key,) in self.site.sql("select external_course_id from public.partner_courses order by 1")]


@pytest.fixture
def catalogue(site: RunningSite, partner: type[Scripted]) -> Catalogue:
    return Catalogue(site)


def test_looking_writes_nothing_and_choosing_imports(catalogue: Catalogue) -> None:
    assert "Look at what the partner offers first" in catalogue.shown()
    catalogue.offers(course(1, category="Safety"), course(2), course(3, category="Safety"))
    assert catalogue.imported() == []
    assert catalogue.keys() == ["c1", "c2", "c3"]
    assert catalogue.admin.post(f"{catalogue.path}/import", data={"state": "new"}).status_code == 422
    answer = catalogue.admin.post(f"{catalogue.path}/import", data={"state": "new", "keys": ["c1", "c2"]})
    assert answer.status_code == 303
    assert "brought in" in catalogue.admin.get(answer.headers["location"]).text
    assert catalogue.imported() == ["c1", "c2"]
    assert "Imported (2)" in catalogue.shown()
    assert catalogue.keys() == ["c3"], "what waits is shown first"


def test_filters_hold_for_all_that_match(catalogue: Catalogue) -> None:
    catalogue.offers(course(1, category="Safety"), course(2, category="Law"), course(3, category="Safety", code="X_9"))
    assert catalogue.keys("category=Safety") == ["c1", "c3"]
    assert catalogue.keys("q=x_9") == ["c3"]
    assert catalogue.keys("q=%25") == [], "a percent sign is looked for, and not a pattern"
    data = {"state": "new", "category": "Safety", "q": "", "all": "1"}
    answer = catalogue.admin.post(f"{catalogue.path}/import", data=data)
    assert "category=Safety" in answer.headers["location"]
    assert catalogue.imported() == ["c1", "c3"]


def test_a_changed_course_shows_what_stands_and_what_is_new(catalogue: Catalogue) -> None:
    catalogue.offers(course(1, duration_hours=2.0, category="Safety"))
    catalogue.admin.post(f"{catalogue.path}/import", data={"state": "new", "all": "1"})
    catalogue.offers(course(1, duration_hours=3.5, category="Safety"))
    text = catalogue.shown("state=changed")
    assert re.search(r"Hours:</span> <del>2</del> → <ins>3.5</ins>", text)
    assert "Category:" not in text
    catalogue.admin.post(f"{catalogue.path}/import", data={"state": "changed", "keys": ["c1"]})
    assert catalogue.site.sql("select duration_hours from public.partner_courses") == [(3.5,)]
    assert "Changed (0)" in catalogue.shown()


def test_what_is_gone_is_marked_when_somebody_says_so_and_only_what_matches(catalogue: Catalogue) -> None:
    everything = [course(n, category="Law" if n > 2 else "Safety") for n in range(1, 5)]
    catalogue.offers(*everything)
    catalogue.admin.post(f"{catalogue.path}/import", data={"state": "new", "all": "1"})
    catalogue.offers(course(1, category="Safety"))
    assert catalogue.keys("state=gone") == ["c2", "c3", "c4"]
    marked = "select external_id from courseyard.partner_keys where gone_at is not null order by 1"
    assert catalogue.site.sql(marked) == []
    catalogue.admin.post(f"{catalogue.path}/import", data={"state": "gone", "category": "Law", "all": "1"})
    assert catalogue.site.sql(marked) == [("c3",), ("c4",)]
    assert catalogue.imported() == ["c1", "c2", "c3", "c4"], "nothing is deleted"
    assert catalogue.keys("state=gone") == ["c2"]


def test_the_look_is_followed_and_a_failure_is_told(catalogue: Catalogue, partner: type[Scripted]) -> None:
    partner.script = {Stream.CATALOGUE: [PartnerUnreachableError("Nobody answers.")]}
    catalogue.admin.post(f"{catalogue.path}/look")
    assert "hx-trigger" in catalogue.shown()
    catalogue.site.work()
    assert "Trying again after: Nobody answers." in catalogue.admin.get(f"{catalogue.path}/run").text
    partner.script = {Stream.CATALOGUE: [PartnerRefusedError("The token was withdrawn.")]}
    [(run_id,)] = catalogue.site.sql("select id::text from courseyard.sync_runs")
    catalogue.site.run(catalogue.site.services.hub.syncs.work(run_id))
    part = catalogue.admin.get(f"{catalogue.path}/run").text
    assert "hx-trigger" not in part
    assert "It failed: The token was withdrawn." in part
    assert "The token was withdrawn." in catalogue.shown()


def test_a_look_that_worked_leads_to_what_was_found(catalogue: Catalogue) -> None:
    catalogue.offers(course(1))
    assert "Show what was found" in catalogue.admin.get(f"{catalogue.path}/run").text


def test_only_administrators(catalogue: Catalogue) -> None:
    catalogue.offers(course(1))
    site = catalogue.site
    for role in ("student", "instructor"):
        somebody = site.browser(site.person(role))
        assert somebody.get(catalogue.path).status_code == 403
        assert somebody.get(f"{catalogue.path}/run").status_code == 403
        assert somebody.post(f"{catalogue.path}/look").status_code == 403
        assert somebody.post(f"{catalogue.path}/import", data={"keys": ["c1"]}).status_code == 403
    assert site.browser().post(f"{catalogue.path}/import", data={"keys": ["c1"]}).status_code in (303, 401)
    assert catalogue.imported() == []


def test_what_the_partner_says_is_text(catalogue: Catalogue) -> None:
    evil = "<img src=x onerror=alert(1)>"
    catalogue.offers(course(1, description=evil, category=evil, code='"><script>'))
    text = catalogue.shown()
    assert evil not in text
    assert "<script>" not in text


def test_a_partner_by_hand_gets_its_courses_on_the_page(site: RunningSite) -> None:
    settings = Settings(schedule_minutes=None)
    provider = site.run(site.services.hub.providers.save(Draft("manual", "Evening school", {}, settings)))
    admin, own = site.browser(site.person("admin")), f"/partners/providers/{provider}/catalogue"
    assert "enter its courses below" in admin.get(own).text
    for title in ("Welding", "Welding for beginners"):
        form = {"title": title, "external_id": "W1", "duration_hours": "1.5", "url": "https://school.example/w1"}
        assert admin.post(f"{own}/enter", data=form).status_code == 303
    assert site.sql("select course_name, duration_hours, enrollment_link from public.partner_courses") == [
        ("Welding for beginners", Decimal("1.5"), "https://school.example/w1")
    ]
    refused = admin.post(f"{own}/enter", data={"title": "X", "duration_hours": "long"})
    assert refused.status_code == 422 and "no number" in refused.text
    assert site.browser(site.person()).post(f"{own}/enter", data={"title": "X"}).status_code == 403
