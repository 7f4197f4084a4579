"""Pages of mappings and of enrolments at partners, and the learner's way in."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from fix_web import RunningSite, upload
from partners.scripted import Scripted, course, draft, page, scripted_kind

from courseyard.errors import PartnerRefusedError, PartnerUnreachableError
from courseyard.partners.connector import Stream
from courseyard.partners.mappings import TYPES
from courseyard.partners.records import Enrolment, User

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


def test_a_course_without_a_way_in_has_a_sentence_instead_of_a_button(
    there: There, partner: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    there.enrol(there.lea)
    there.site.work()
    lea = there.site.browser(there.lea)
    path = f"/courses/partners/{there.enrolment()}/launch"

    def shown() -> str:
        """The sentence; the page and the way in agree on it."""
        card = lea.get("/courses/cards").text
        sentence = re.search(r'<p class="dim small">(.*?)</p>', card)
        refused = lea.get(path)
        assert (refused.status_code == 303) == (path in card)
        assert (path in card) == (sentence is None)
        return html.unescape(sentence[1]) if sentence else ""

    assert shown() == ""
    there.site.sql("update public.partner_lms_enrollments set status = 'expired'")
    assert shown() == "Your enrolment in 'Course 1' has ended. Ask who enrolled you."
    there.site.sql("update public.partner_lms_enrollments set status = 'active'")
    there.site.sql("update public.partner_lms_enrollments set external_enrollment_id = null")
    there.site.sql("update courseyard.partner_keys set kind = 'credential' where kind = 'enrolment'")
    assert shown() == "Partner Academy does not know of this enrolment yet. Try again in a few minutes."
    there.site.sql("update courseyard.partner_keys set kind = 'enrolment' where kind = 'credential'")
    assert shown() == ""

    able = replace(partner.capabilities, launch=False)
    monkeypatch.setattr(partner, "capabilities", able)
    closed = "Partner Academy has no link that opens the course from here. Sign in at Partner Academy and open 'Course 1' there."
    assert shown() == closed
    there.site.sql("update public.partner_courses set enrollment_link = 'javascript:alert(1)'")
    assert shown() == closed
    there.site.sql("update public.partner_courses set enrollment_link = 'https://partner.test/c1'")
    assert shown() == "" and lea.get(path).headers["location"] == "https://partner.test/c1"
    there.site.sql("update courseyard.partner_settings set kind = 'of-another-release'")
    assert shown() == "This course cannot be opened from here. Ask who enrolled you."


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


def first(answer: httpx.Response) -> str:
    """What a page says of courses that come first."""
    notes = " ".join(re.findall(r'class="note warn">(.*?)</div>', answer.text, re.DOTALL))
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", notes))


def test_a_course_opens_only_when_the_prerequisite_at_the_partner_is_completed(
    there: There, partner: type[Scripted]
) -> None:
    site, api = there.site, there.site.client()
    assert there.map(type="prerequisite").status_code == 303
    enrolled = api.post("/api/enrollments", json={"package_id": there.package, "learner": {"email": "lea@example.org"}})
    own = enrolled.json()["id"]
    lea = site.browser(there.lea)

    def launches() -> dict[str, tuple[int, str]]:
        by_page = lea.post(f"/courses/{own}/launch")
        by_rest = api.post(f"/api/enrollments/{own}/launch", json={"mode": "browse"})
        return {
            "page": (by_page.status_code, by_page.headers.get("location", "")),
            "rest": (by_rest.status_code, by_rest.json().get("code", "")),
        }

    shown = lea.get("/courses")
    assert "Complete this first, then this course opens by itself" in first(shown)
    assert "Course 1 at Partner Academy, where you are not enrolled yet: ask who enrolled you here" in first(shown)
    assert f"/courses/{own}/launch" not in shown.text, "there is no button that would be refused"
    assert launches() == {"page": (409, ""), "rest": (409, "prerequisite-open")}
    assert there.site.sql("select count(*) from courseyard.attempts") == [(0,)]

    there.enrol(there.lea)
    site.work()
    card = f'href="/courses#course-{there.enrolment()}"'
    assert card in lea.get("/courses").text and f'id="course-{there.enrolment()}"' in lea.get("/courses").text
    assert "Course 1 at Partner Academy, 0 % done" in first(lea.get("/courses/cards"))
    refused = lea.post(f"/courses/{own}/launch")
    assert "comes “Course 1” at Partner Academy, which is not completed yet." in alert(refused)
    assert card in refused.text, "with the way there"
    problem = api.post(f"/api/enrollments/{own}/launch").json()
    assert problem["detail"].endswith("which is not completed yet.")
    [named] = problem["prerequisites"]
    assert (named["title"], named["partner_enrollment_id"]) == ("Course 1", there.enrolment())
    told = api.get(f"/api/enrollments/{own}").json()
    assert told["held"] and [p["completed"] for p in told["prerequisites"]] == [False]
    assert told["also_offered"] == []
    assert f'href="/partners/enrolments/{there.enrolment()}"' in there.admin.get(f"/enrollments/{own}").text
    assert (
        "Cannot be opened before this is completed."
        in there.admin.get(f"/partners/enrolments/{there.enrolment()}").text
    )

    preview = there.admin.post(f"/packages/{there.package}/preview")
    assert preview.status_code == 303, "staff look at it whatever comes first"
    link = preview.headers["location"].rpartition("/")[2]
    opened = httpx.post(f"{site.content}/play/api/open", json={"launch": link})
    assert opened.status_code == 200, opened.text

    user = User(external_id="made-lea@example.org", email="lea@example.org")
    done = Enrolment(
        external_id="c1/made-lea@example.org", course="c1", user=user, status="completed", progress=100.0,
        completed_at=datetime(2026, 11, 1, tzinfo=UTC),
    )  # fmt: skip
    partner.script = {Stream.ENROLMENTS: [page(done)]}
    site.run(there.hub.runs.start(there.provider))
    site.work()
    assert first(lea.get("/courses")) == ""
    found = launches()
    assert found["page"][0] == 303 and found["rest"][0] == 200, "with the sync that brings it"
    told = api.get(f"/api/enrollments/{own}").json()
    assert not told["held"] and [p["completed"] for p in told["prerequisites"]] == [True]


def test_a_link_that_was_made_before_is_refused_when_it_is_opened(there: There) -> None:
    site, api = there.site, there.site.client()
    enrolled = api.post("/api/enrollments", json={"package_id": there.package, "learner": {"email": "lea@example.org"}})
    link = api.post(f"/api/enrollments/{enrolled.json()['id']}/launch").json()["url"].rpartition("/")[2]
    there.map(type="prerequisite")
    opened = httpx.post(f"{site.content}/play/api/open", json={"launch": link})
    assert (opened.status_code, opened.json()["code"]) == (409, "prerequisite-open")
    assert "“Course 1” at Partner Academy" in opened.json()["detail"]
    site.sql("update public.partner_course_mappings set is_active = false")
    assert httpx.post(f"{site.content}/play/api/open", json={"launch": link}).status_code == 200
    # Who has begun comes back to it, though the mapping stands again.
    site.sql("update public.partner_course_mappings set is_active = true")
    again = api.post(f"/api/enrollments/{enrolled.json()['id']}/launch")
    assert again.status_code == 200, again.text
    opened = httpx.post(f"{site.content}/play/api/open", json={"launch": again.json()["url"].rpartition("/")[2]})
    assert opened.status_code == 200, opened.text


def test_an_elective_is_offered_beside_and_holds_nothing(there: There) -> None:
    site, api = there.site, there.site.client()
    there.map(type="elective")
    enrolled = api.post("/api/enrollments", json={"package_id": there.package, "learner": {"email": "lea@example.org"}})
    own = enrolled.json()["id"]
    lea = site.browser(there.lea)
    site.sql("update public.partner_courses set enrollment_link = 'javascript:alert(1)'")
    for path in ("/courses", "/courses/cards", f"/enrollments/{own}", f"/enrollments/{own}/state"):
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", lea.get(path).text))
        assert "Also offered Course 1 at Partner Academy" in text.replace("offeredC", "offered C"), path
        assert "javascript:" not in lea.get(path).text
    site.sql("update public.partner_courses set enrollment_link = 'https://partner.test/join'")
    assert '<a href="https://partner.test/join" rel="noreferrer">Course 1</a>' in lea.get("/courses").text
    assert [o["title"] for o in enrolled.json()["also_offered"]] == ["Course 1"]
    assert not enrolled.json()["held"]
    assert lea.post(f"/courses/{own}/launch").status_code == 303
    there.enrol(there.lea)
    assert f'href="/courses#course-{there.enrolment()}"' in lea.get("/courses").text
    assert "This is offered beside it." in there.admin.get(f"/partners/enrolments/{there.enrolment()}").text


def test_each_type_of_mapping_is_explained_in_one_sentence(there: There) -> None:
    instructor = there.site.browser(there.site.person("instructor"))
    for name, meaning in TYPES.items():
        assert meaning.count(". ") == 0 and meaning.endswith("."), name
        for who in (there.admin, instructor):
            text = html.unescape(who.get("/partners/mappings").text)
            assert text.count(meaning) == 1, name


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
