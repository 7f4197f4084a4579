"""The pages: what a person sees and can do, without a browser."""

import re

import pytest
from fix_web import PRIVACY, upload

FORBIDDEN = re.compile(r"<script>|\sstyle=|\son\w+=|javascript:|https?://(?!localhost|127\.0\.0\.1)", re.IGNORECASE)


@pytest.fixture
def admin(site):
    return site.browser(site.person("admin"))


@pytest.fixture
def package(admin):
    return upload(admin, PRIVACY, "privacy.zip").json()["id"]


def enroll(browser, package, email="ada@example.org", name="Ada"):
    return browser.post(f"/packages/{package}/enrollments", data={"email": email, "name": name})


def only_enrollment(site):
    return str(site.sql("select id from public.scorm_enrollments")[0][0])


def test_every_page_stands_on_its_own(site, admin, package):
    enroll(admin, package)
    enrollment = only_enrollment(site)
    for path in (
        "/packages",
        "/packages?q=zzz",
        f"/packages/{package}",
        f"/packages/{package}?done=uploaded",
        f"/packages/{package}/delete",
        "/enrollments",
        f"/enrollments?package={package}&status=incomplete&q=a&page=2",
        f"/enrollments/{enrollment}",
        "/people",
        "/courses",
        "/account",
        "/api/docs",
    ):
        answer = admin.get(path)
        assert answer.status_code == 200, path
        assert not FORBIDDEN.search(answer.text), path
        assert answer.text.count("<h1") == 1, path
        assert "<main" in answer.text, path


def test_empty_states_say_what_to_do(admin):
    assert "No packages yet" in admin.get("/packages").text
    assert "Nobody is enrolled yet" in admin.get("/enrollments").text
    assert "No courses yet" in admin.get("/courses").text


def test_package_page_shows_what_was_found(site, admin, package):
    text = admin.get(f"/packages/{package}").text
    [(document,)] = site.sql("select document from courseyard.package_versions")
    for organization in document["organizations"]:
        for item in organization["children"]:
            assert item["title"].replace("'", "&#39;") in text


def test_upload_without_scripts_leads_to_the_package_or_shows_the_findings(admin):
    files = {"file": ("privacy.zip", PRIVACY)}
    good = admin.post("/packages", files=files)
    assert good.headers["location"].startswith("/packages/")
    bad = admin.post("/packages", files={"file": ("x.zip", b"no zip")})
    assert bad.status_code == 422
    assert "The file is no zip archive" in bad.text
    missing = admin.post("/packages", files={"other": ("x.zip", b"x")})
    assert missing.status_code == 422


def test_titles_are_shown_as_text(site, admin, package):
    evil = "<img src=x onerror=alert(1)>"
    assert admin.post(f"/packages/{package}/settings", data=form(title=evil)).status_code == 303
    text = admin.get(f"/packages/{package}").text
    assert evil not in text
    assert "&lt;img src=x" in text


def form(**changes):
    return {
        "title": "T",
        "description": "",
        "passing_score": "75",
        "max_attempts": "",
        "launch_window": "new",
        "is_active": "on",
    } | changes


def test_settings_are_saved(admin, package):
    assert admin.post(f"/packages/{package}/settings", data=form(strict="on")).status_code == 303
    kept = admin.get(f"/api/packages/{package}").json()
    expected = ("T", None, 75, None, "new", True, True)
    names = ("title", "description", "passing_score", "max_attempts", "launch_window", "is_active", "strict")
    assert tuple(kept[name] for name in names) == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"title": " "}, "Title"),
        ({"passing_score": "lots"}, "Passing score"),
        ({"passing_score": "101"}, "Passing score"),
        ({"launch_window": "popup"}, "Launch window"),
        ({"max_attempts": "-1"}, "attempts"),
    ],
)
def test_a_mistake_in_the_settings_is_told_in_the_page(admin, package, change, said):
    before = admin.get(f"/api/packages/{package}").json()
    answer = admin.post(f"/packages/{package}/settings", data=form(**change))
    assert answer.status_code == 422
    alert = re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL)[1]
    assert said in alert
    assert admin.get(f"/api/packages/{package}").json() == before


def test_enrolling_by_the_page(site, admin, package):
    assert enroll(admin, package).status_code == 303
    assert "Ada" in admin.get(f"/packages/{package}").text
    assert enroll(admin, package, "no address").status_code == 422
    assert site.sql("select count(*) from public.scorm_enrollments") == [(1,)]


def test_rows_follow_what_happens(site, admin, package):
    enroll(admin, package)
    enrollment = only_enrollment(site)
    assert "Not started" in admin.get("/enrollments/rows").text
    site.sql(
        "insert into public.scorm_tracking (scorm_enrollment_id, element, value) values"
        " (%s, 'cmi.completion_status', 'completed'), (%s, 'cmi.score.scaled', '0.9')",
        enrollment,
        enrollment,
    )
    rows = admin.get("/enrollments/rows").text
    assert "Completed" in rows
    assert "90" in rows
    assert "<html" not in rows
    assert "Completed" in admin.get(f"/enrollments/{enrollment}/state").text


def test_a_page_that_polls_after_the_session_ended_is_led_to_sign_in(site):
    answer = site.browser().get("/enrollments/rows", headers={"HX-Request": "true"})
    assert answer.headers["hx-redirect"] == "/sign-in"


def test_learner_starts_the_own_course_and_nobody_elses(site, admin, package):
    enroll(admin, package)
    enrollment = only_enrollment(site)
    learner = site.browser(site.person("student", "ada@example.org"))
    assert "Start" in learner.get("/courses").text
    launched = learner.post(f"/courses/{enrollment}/launch")
    assert launched.status_code == 303
    assert launched.headers["location"].startswith(f"{site.content}/play/")
    assert site.browser(site.person()).post(f"/courses/{enrollment}/launch").status_code == 404
    assert admin.post(f"/courses/{enrollment}/launch").status_code == 403
    assert learner.post(f"/courses/{enrollment}/launch", data={"mode": "preview"}).status_code == 422
    assert learner.get(f"/enrollments/{enrollment}").status_code == 200
    assert site.browser(site.person()).get(f"/enrollments/{enrollment}").status_code == 404


def test_preview_leads_to_the_player_and_counts_nothing(site, admin, package):
    answer = admin.post(f"/packages/{package}/preview")
    assert answer.headers["location"].startswith(f"{site.content}/play/")
    assert site.sql("select count(*) from public.scorm_enrollments") == [(0,)]


def test_deleting_asks_first(site, admin, package):
    enroll(admin, package)
    question = admin.get(f"/packages/{package}/delete").text
    assert "1 enrolment" in question
    assert site.sql("select count(*) from public.scorm_packages") == [(1,)]
    assert admin.post(f"/packages/{package}/delete").status_code == 303
    assert site.sql("select count(*) from public.scorm_packages") == [(0,)]


def test_new_people_get_a_link_that_is_shown_once(site, admin):
    answer = admin.post("/people", data={"email": "new@example.org", "name": "New", "role": "instructor"})
    link = re.search(r'value="(http[^"]+/sign-in/link/[^"]+)"', answer.text)[1]
    assert link not in admin.get("/people").text
    assert site.browser().post(link).status_code == 303
    assert site.sql("select role from public.profiles where email = 'new@example.org'") == [("instructor",)]


@pytest.mark.parametrize("data", [{"email": "x", "role": "student"}, {"email": "a@b.org", "role": "king"}, {}])
def test_bad_people_are_refused_in_the_page(site, admin, data):
    answer = admin.post("/people", data=data)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert site.sql("select count(*) from public.profiles") == [(1,)]


@pytest.mark.parametrize("path", ["/nothing", "/packages/no-uuid", "/enrollments/00000000-0000-4000-8000-000000000000"])
def test_unknown_pages_are_friendly(admin, path):
    answer = admin.get(path)
    assert answer.status_code == 404
    assert "There is no such thing here" in answer.text
    assert "To the start page" in answer.text


def test_a_broken_database_is_a_friendly_page_without_details(site, admin):
    site.sql("alter table public.scorm_packages rename column title to headline")
    answer = admin.get("/packages")
    assert answer.status_code == 500
    assert "headline" not in answer.text
    assert "title does not exist" not in answer.text


def test_an_administrator_hands_out_a_way_in_from_an_enrolment(site, admin, package):
    made = site.client().post("/api/enrollments", json={"package_id": package, "learner": {"email": "ada@example.org"}})
    shown = admin.get(f"/enrollments/{made.json()['id']}").text
    [path] = re.findall(r'action="(/people/[^"]+/link)"', shown)
    link = re.search(r'value="(http[^"]+/sign-in/link/[^"]+)"', admin.post(path).text)[1]
    assert site.browser().post(link).status_code == 303
