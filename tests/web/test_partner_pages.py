"""Pages of mappings and of enrolments at partners, and the learner's way in."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from fix_web import RunningSite, upload
from partners.scripted import Scripted, course, draft, page, scripted_kind

from courseyard.errors import PartnerRefusedError, PartnerUnreachableError
from courseyard.partners.connector import Stream
from courseyard.partners.records import User

FORBIDDEN = re.compile(r"<script>|\sstyle=|\son\w+=|javascript:", re.IGNORECASE)


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        yield kind


class There:
    """A partner with two courses, a package, an administrator and two learners."""

    def __init__(self, site: RunningSite, partner: type[Scripted]) -> None:
        self.site, self.hub = site, site.services.hub
        self.admin = site.browser(site.person("admin", "admin@example.org"))
        self.lea, self.leo = site.person(email="lea@example.org"), site.person(email="leo@example.org")
        self.provider = site.run(self.hub.providers.save(draft(import_rule="all", schedule_minutes=None)))
        partner.script = {Stream.CATALOGUE: [page(course(1), course(2))]}
        site.run(self.hub.runs.start(self.provider))
        site.work()
        self.course, self.other = (
            i for (i,) in site.sql("select id::text from public.partner_courses order by external_course_id")
        )
        self.package = upload(site.client()).json()["id"]

    def map(self, **more: object) -> httpx.Response:
        data = {"course": self.course, "target": [f"package:{self.package}"], "type": "equivalent"} | more
        return self.admin.post("/partners/mappings", data=data)

    def enrol(self, *people: str, **more: object) -> httpx.Response:
        data = {"course": self.course, "chosen": " ".join(people)} | more
        return self.admin.post("/partners/enrol/confirm", data=data)

    def enrolment(self) -> str:
        return self.site.sql("select id::text from public.partner_lms_enrollments")[0][0]


@pytest.fixture
def there(site: RunningSite, partner: type[Scripted]) -> There:
    return There(site, partner)


def alert(answer: httpx.Response) -> str:
    return re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL)[1]


def test_every_page_stands_on_its_own_empty_and_full(there: There) -> None:
    paths = [
        "/partners/mappings", "/partners/mappings?q=x&type=credit&state=off", "/partners/mappings/suggestions",
        "/partners/enrolments", "/partners/enrolments?status=active&q=lea", "/partners/enrol",
        f"/partners/enrol?course={there.course}", "/partners/outbox", "/partners/outbox?state=failed", "/courses",
    ]  # fmt: skip
    for _ in range(2):
        for path in paths:
            answer = there.admin.get(path)
            assert answer.status_code == 200, path
            assert not FORBIDDEN.search(answer.text), path
            assert answer.text.count("<h1") == 1, path
        there.map()
        there.enrol(there.lea)
        paths.append(f"/partners/enrolments/{there.enrolment()}")


def test_mapping_by_hand_and_in_bulk(there: There) -> None:
    assert there.map().status_code == 303
    shown = there.admin.get("/partners/mappings").text
    [(mapping,)] = there.site.sql("select id::text from public.partner_course_mappings")
    assert mapping in shown and "1 mapping<" in shown
    assert "No target" in alert(there.map(target=[]))
    assert "Partner&#39;s course" in alert(there.map(course="x"))
    lines = f"c2, {there.package}, credit\nnobody, {there.package}"
    pasted = there.admin.post("/partners/mappings/paste", data={"lines": lines, "type": "equivalent"})
    assert "1 mapping stands" in pasted.text and "nobody" in alert(pasted)
    assert "nobody" in re.search(r"<textarea.*?>(.*?)</textarea>", pasted.text, re.DOTALL)[1]
    file = {"file": ("m.csv", f"\ufeffcourse;target\nc1;package:{there.package};elective\n".encode())}
    uploaded = there.admin.post("/partners/mappings/upload", files=file)
    assert "1 mapping stands" in uploaded.text
    assert there.site.sql("select mapping_type from public.partner_course_mappings order by 1") == [
        ("credit",),
        ("elective",),
    ]
    changed = there.admin.post("/partners/mappings/change", data={"mapping": [mapping], "action": "off"})
    assert changed.status_code == 303
    assert there.site.sql("select is_active from public.partner_course_mappings where id = %s", mapping) == [(False,)]
    there.admin.post("/partners/mappings/change", data={"mapping": [mapping], "action": "delete"})
    assert there.site.sql("select count(*) from public.partner_course_mappings") == [(1,)]


def test_suggestions_are_confirmed_on_their_page(there: There) -> None:
    there.site.sql("insert into public.courses (title) values ('Course 1!'), ('The course 2')")
    text = there.admin.get("/partners/mappings/suggestions").text
    values = re.findall(r'name="suggestion" value="([^"]+)"', text)
    assert "100 % alike" in text
    best = next(v for v in values if v.startswith(there.course))
    assert (
        there.admin.post(
            "/partners/mappings/suggestions", data={"suggestion": [best], "type": "credit", "action": "add"}
        ).status_code
        == 303
    )
    assert there.site.sql("select mapping_type from public.partner_course_mappings") == [("credit",)]
    rest = [v for v in values if v.startswith(there.other)]
    there.admin.post("/partners/mappings/suggestions", data={"suggestion": rest, "action": "dismiss"})
    assert "alike<" not in there.admin.get("/partners/mappings/suggestions").text


def test_enrolling_gathers_people_shows_what_will_happen_and_does_it(there: There) -> None:
    there.map()
    there.enrol(there.leo)
    text = there.admin.get(f"/partners/enrol?course={there.course}").text
    assert "lifting" in text.lower() and "an account there is found or made" in text
    gathered = there.admin.post(
        "/partners/enrol",
        data={"course": there.course, "chosen": there.leo, "names": "lea@example.org\nwho@example.org", "q": "admin"},
    )
    assert "who@example.org" in alert(gathered)
    assert "stays: pending" in gathered.text and "is enrolled<" in gathered.text and "Enrol 2 people" in gathered.text
    assert re.search(r'name="person" value="[^"]+"> <span>The admin', gathered.text)
    chosen = re.search(r'name="chosen" value="([^"]+)"', gathered.text)[1]
    assert set(chosen.split()) == {there.lea, there.leo}
    removed = there.admin.post("/partners/enrol", data={"course": there.course, "chosen": chosen, "remove": there.leo})
    assert re.search(r'name="chosen" value="([^"]+)"', removed.text)[1] == there.lea
    unknown = there.enrol(there.lea, names="who@example.org")
    assert "who@example.org" in alert(unknown)
    assert there.site.sql("select count(*) from public.partner_lms_enrollments") == [(1,)]
    done = there.enrol(there.lea)
    assert done.headers["location"] == f"/partners/enrolments?course={there.course}&done=partner-enrolled"
    there.site.work()
    rows = there.admin.get("/partners/enrolments/rows").text
    assert rows.count("Active") == 2 and "<html" not in rows
    assert there.site.sql("select count(*) from public.scorm_enrollments") == [(2,)]
    assert "Nobody is chosen" in alert(there.enrol())


def test_everybody_in_a_program_is_enrolled(there: There) -> None:
    [(program,)] = there.site.sql("insert into public.programs (title) values ('Warehouse') returning id::text")
    there.site.sql(
        "insert into public.enrollments (user_id, program_id) values (%s, %s), (%s, %s)",
        there.lea,
        program,
        there.leo,
        program,
    )
    assert there.enrol(group=f"program:{program}").status_code == 303
    assert there.site.sql("select count(*) from public.partner_lms_enrollments") == [(2,)]


def test_the_outbox_page_lets_people_act(there: There, partner: type[Scripted]) -> None:
    partner.faults = [PartnerRefusedError("The token may not enrol.")]
    there.enrol(there.lea)
    there.site.work()
    text = there.admin.get("/partners/outbox").text
    assert "The token may not enrol." in text and "Try again" in text
    [(provider,)] = there.site.sql("select id::text from public.partner_lms_providers")
    link = f"/partners/outbox?state=failed&amp;provider={provider}"
    for path in ("/partners", f"/partners/providers/{provider}"):
        assert re.search(rf'href="{re.escape(link)}"[^>]*>1<', there.admin.get(path).text), path
    assert "1 request to partners failed" in there.admin.get("/partners/enrolments").text
    assert "The token may not enrol." in there.admin.get(link.replace("&amp;", "&")).text
    assert there.site.client().get("/api/partner-providers").json()[0]["failed_requests"] == 1
    [(entry,)] = there.site.sql("select id::text from courseyard.partner_outbox")
    partner.accounts = [User(external_id=f"u{n}", email="lea@example.org", name=f"Lea {n}") for n in (1, 2)]
    assert there.admin.post(f"/partners/outbox/{entry}", data={"action": "retry"}).status_code == 303
    there.site.work()
    assert "waits for somebody to choose" in there.admin.get("/partners/enrolments").text
    assert "Lea 2 (u2, lea@example.org)" in there.admin.get("/partners/outbox").text
    there.admin.post(f"/partners/outbox/{entry}", data={"action": "choose", "account": "u2"})
    there.site.work()
    assert there.site.sql("select external_enrollment_id from public.partner_lms_enrollments") == [("c1/u2",)]
    assert there.admin.post(f"/partners/outbox/{entry}", data={"action": "cancel"}).status_code == 409
    assert there.admin.post(f"/partners/outbox/{entry}", data={"action": "explode"}).status_code == 422


def test_the_learner_opens_the_own_course_at_the_partner(there: There, partner: type[Scripted]) -> None:
    there.enrol(there.lea)
    lea = there.site.browser(there.lea)
    assert "You are being enrolled at Partner Academy" in lea.get("/courses").text
    there.site.work()
    path = f"/courses/partners/{there.enrolment()}/launch"
    assert path in lea.get("/courses/cards").text
    opened = lea.get(path)
    assert opened.status_code == 303
    assert opened.headers["location"].startswith("https://partner.test/launch/c1/made-lea@example.org?as=made-lea")
    assert opened.headers["location"].endswith(f"back={there.site.app}/courses")
    assert there.site.browser(there.leo).get(path).status_code == 404
    assert there.admin.get(path).status_code == 403
    partner.faults = [PartnerUnreachableError("partner.test did not answer in time.")]
    down = lea.get(path)
    assert down.status_code == 502 and "did not answer in time" in down.text


def test_a_credit_is_explained_where_it_shows(there: There) -> None:
    there.map()
    there.enrol(there.lea)
    there.site.work()
    there.site.sql("update public.partner_lms_enrollments set status = 'completed', completed_at = '2026-11-01Z'")
    there.site.run(there.hub.enrolling.settle())
    [(own,)] = there.site.sql("select id::text from public.scorm_enrollments")
    text = there.admin.get(f"/enrollments/{own}").text
    assert "Completed by Partner Academy’s course “Course 1” on" in text
    assert "completed by this" in there.admin.get(f"/partners/enrolments/{there.enrolment()}").text


@pytest.mark.parametrize("role", ["student", "instructor"])
def test_who_may_not_changes_nothing(there: There, role: str) -> None:
    there.map()
    there.enrol(there.lea)
    other = there.site.browser(there.site.person(role))
    [(mapping,)] = there.site.sql("select id::text from public.partner_course_mappings")
    for path in ("mappings", "mappings/paste", "mappings/upload", "mappings/change", "mappings/suggestions", "enrol",
                 "enrol/confirm", f"enrolments/{there.enrolment()}/withdraw", f"outbox/{mapping}"):  # fmt: skip
        assert other.post(f"/partners/{path}", data={"mapping": mapping, "action": "delete"}).status_code == 403, path
    assert other.get("/partners/outbox").status_code == other.get("/partners/enrol").status_code == 403
    seen = 200 if role == "instructor" else 403
    for path in ("mappings", "enrolments", f"enrolments/{there.enrolment()}"):
        assert other.get(f"/partners/{path}").status_code == seen, path
    assert there.site.sql("select count(*) from public.partner_course_mappings") == [(1,)]
