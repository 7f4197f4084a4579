"""REST: enrolments, launches, and who sees what of them."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from fix_web import LIFTING, upload

ADA = {"id": "4711", "name": "Lovelace, Ada", "email": "ada@example.org"}


@pytest.fixture
def package(site):
    return upload(site.client()).json()["id"]


def enroll(client, package, learner=ADA):
    return client.post("/api/enrollments", json={"package_id": package, "learner": learner})


def test_enrolling_makes_the_learner_known(site, package):
    answer = enroll(site.client(), package)
    assert answer.status_code == 201
    body = answer.json()
    assert (body["package_id"], body["status"], body["attempts"]) == (package, "not_attempted", 0)
    assert body["learner"]["id"] == "4711"
    assert body["learner"]["name"] == "Lovelace, Ada"
    profile = body["learner"]["profile_id"]
    [kept] = site.sql("select email, full_name, role from public.profiles where id = %s", profile)
    assert kept == ("ada@example.org", "Lovelace, Ada", "student")


def test_enrolling_twice_answers_with_what_stands(site, package):
    client = site.client()
    first, second = enroll(client, package), enroll(client, package)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert site.sql("select count(*) from public.scorm_enrollments") == [(1,)]


def test_enrolling_at_the_same_moment_makes_one_learner_and_one_enrolment(site, package):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: enroll(site.client(), package), range(8)))
    assert sorted(a.status_code for a in answers) == [200] * 7 + [201]
    assert len({a.json()["id"] for a in answers}) == 1
    assert site.sql("select count(*) from public.profiles where email = 'ada@example.org'") == [(1,)]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"id": "4711", "email": "new-address@example.org"}, True),
        ({"id": "4711", "name": "Ada King", "email": "ada@example.org"}, True),
        ({"email": "ADA@example.org"}, True),
        ({"id": "0815", "email": "ada@example.org"}, False),
        ({"email": "other@example.org"}, False),
    ],
)
def test_the_same_identifier_or_else_email_is_the_same_learner(site, package, other, same):
    client = site.client()
    first = enroll(client, package).json()["learner"]["profile_id"]
    second = enroll(client, package, other).json()["learner"]["profile_id"]
    assert (first == second) is same


def test_an_identifier_given_later_is_added_to_who_was_known_by_email(site, package):
    client = site.client()
    first = enroll(client, package, {"email": "ada@example.org"}).json()["learner"]
    later = enroll(client, package).json()["learner"]
    assert (first["id"], later["id"]) == (None, "4711")
    assert first["profile_id"] == later["profile_id"]


@pytest.mark.parametrize("identifier", ["Ünïcode/ü", "a b", "x" * 255, "'; drop table", "0", "{}"])
def test_any_string_is_an_identifier(site, package, identifier):
    body = enroll(site.client(), package, {"id": identifier, "email": "x@example.org"}).json()
    assert body["learner"]["id"] == identifier


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"package_id": "x", "learner": ADA},
        {"package_id": str(uuid.uuid4())},
        {"package_id": str(uuid.uuid4()), "learner": {}},
        {"package_id": str(uuid.uuid4()), "learner": {"email": "no address"}},
        {"package_id": str(uuid.uuid4()), "learner": {"email": "a@b", "id": 5}},
        {"package_id": str(uuid.uuid4()), "learner": {"email": "a@b", "id": ""}},
        {"package_id": str(uuid.uuid4()), "learner": {"email": "a@b", "role": "admin"}},
        {"package_id": str(uuid.uuid4()), "learner": {"email": "a\x00@b"}},
    ],
)
def test_bad_enrolments_are_refused(site, body):
    answer = site.client().post("/api/enrollments", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert site.sql("select count(*) from public.profiles") == [(0,)]


def test_unknown_or_inactive_package(site, package):
    client = site.client()
    assert enroll(client, str(uuid.uuid4())).status_code == 404
    client.patch(f"/api/packages/{package}", json={"is_active": False})
    answer = enroll(client, package)
    assert answer.status_code == 409
    assert answer.json()["hint"]


def test_on_supabase_an_unknown_learner_is_refused_with_the_reason(site, package):
    site.sql("create table auth.users (id uuid primary key)")
    site.sql("insert into auth.users select id from public.profiles")
    site.sql("alter table public.profiles add foreign key (id) references auth.users (id)")
    answer = enroll(site.client(), package)
    assert (answer.status_code, answer.json()["code"]) == (409, "unknown-learner")
    assert "COURSEYARD_SUPABASE_SERVICE_ROLE_KEY" in answer.json()["hint"]


def test_launch_gives_a_link_to_the_content_origin(site, package):
    client = site.client()
    enrollment = enroll(client, package).json()["id"]
    for body in (None, {}, {"mode": "browse"}, {"mode": "review", "redirect_url": "https://example.org/back?x=1"}):
        answer = client.post(f"/api/enrollments/{enrollment}/launch", json=body)
        assert answer.status_code == 200
        assert answer.json()["url"].startswith(f"{site.content}/play/")
    bare = client.post(f"/api/enrollments/{enrollment}/launch")
    assert bare.status_code == 200
    page = site.client(None).get(bare.json()["url"])
    assert page.status_code == 200
    assert "set-cookie" not in page.headers


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "preview"},
        {"mode": ""},
        {"mode": None},
        {"redirect_url": "javascript:alert(1)"},
        {"redirect_url": "//evil.example"},
        {"redirect_url": "https://a b"},
        {"redirect_url": "data:text/html,x"},
        {"redirect_url": ""},
        {"unknown": 1},
    ],
)
def test_bad_launches_are_refused(site, package, body):
    client = site.client()
    enrollment = enroll(client, package).json()["id"]
    assert client.post(f"/api/enrollments/{enrollment}/launch", json=body).status_code == 422


def test_what_is_recorded_can_be_read(site, package):
    client = site.client()
    enrollment = enroll(client, package).json()["id"]
    assert client.get(f"/api/enrollments/{enrollment}/tracking").json() == []
    assert client.get(f"/api/enrollments/{enrollment}/attempts").json() == []
    assert client.get(f"/api/enrollments/{enrollment}/attempts/1").status_code == 404
    for value in ("incomplete", "completed"):
        site.sql(
            "insert into public.scorm_tracking (scorm_enrollment_id, element, value)"
            " values (%s, 'cmi.core.lesson_status', %s)",
            enrollment,
            value,
        )
    rows = client.get(f"/api/enrollments/{enrollment}/tracking").json()
    assert [(r["element"], r["value"]) for r in rows] == [
        ("cmi.core.lesson_status", "completed"),
        ("cmi.core.lesson_status", "incomplete"),
    ]
    assert client.get(f"/api/enrollments/{enrollment}/tracking", params={"element": "cmi.core.exit"}).json() == []
    assert client.get(f"/api/enrollments/{enrollment}").json()["status"] == "completed"


def test_an_attempt_shows_activities_interactions_and_objectives(site, package):
    client = site.client()
    enrollment = enroll(client, package).json()["id"]
    [(version, document)] = site.sql("select id, document from courseyard.package_versions")
    item = document["organizations"][0]["children"][0]["identifier"]
    [(attempt,)] = site.sql(
        "insert into courseyard.attempts (enrollment_id, version_id, measured_seconds)"
        " values (%s, %s, 61.5) returning id",
        enrollment,
        version,
    )
    site.sql(
        "insert into courseyard.sco_states (attempt_id, item, data, total_seconds) values (%s, %s, %s, 5)",
        attempt,
        item,
        '{"cmi.core.lesson_status": "failed", "cmi.core.score.raw": "40", "cmi.interactions.0.id": "q1",'
        ' "cmi.interactions.0.objectives.0.id": "o", "cmi.interactions.1.result": "wrong",'
        ' "cmi.objectives.0.id": "o1"}',
    )
    [listed] = client.get(f"/api/enrollments/{enrollment}/attempts").json()
    assert (listed["number"], listed["measured_seconds"]) == (1, 61.5)
    body = client.get(f"/api/enrollments/{enrollment}/attempts/1").json()
    [activity] = body["activities"]
    assert (activity["item"], activity["completion"], activity["success"]) == (item, "failed", "failed")
    assert activity["interactions"] == [
        {"index": 0, "id": "q1", "objectives.0.id": "o"},
        {"index": 1, "result": "wrong"},
    ]
    assert activity["objectives"] == [{"index": 0, "id": "o1"}]


def test_learners_see_and_launch_their_own_only(site, package):
    service = site.client()
    ada = enroll(service, package).json()
    bob = enroll(service, package, {"email": "bob@example.org"}).json()
    learner = site.browser(site.person("student", "ada@example.org"))
    assert [e["id"] for e in learner.get("/api/enrollments").json()] == [ada["id"]]
    assert learner.get(f"/api/enrollments/{ada['id']}").status_code == 200
    assert learner.post(f"/api/enrollments/{ada['id']}/launch").status_code == 200
    for path in ("", "/tracking", "/attempts", "/attempts/1"):
        assert learner.get(f"/api/enrollments/{bob['id']}{path}").status_code == 404
    assert learner.post(f"/api/enrollments/{bob['id']}/launch").status_code == 404
    assert enroll(learner, package).status_code == 403


def test_learners_see_no_findings_or_other_learners_of_a_package(site, package):
    enroll(site.client(), package)
    learner = site.browser(site.person("student", "ada@example.org"))
    body = learner.get(f"/api/packages/{package}").json()
    assert (body["findings"], body["versions"], body["enrollments"]) == ([], [], 0)


def test_search_and_filters(site, package):
    client = site.client()
    enroll(client, package)
    bob = enroll(client, package, {"email": "bob@example.org", "name": "Bob"}).json()["id"]
    second = upload(client, LIFTING).json()["id"]
    enroll(client, second, {"email": "bob@example.org"})

    def ids(**params):
        return [e["id"] for e in client.get("/api/enrollments", params=params).json()]

    assert len(ids()) == 3
    assert ids(search="bob", package_id=package) == [bob]
    assert ids(search="4711", package_id=second) == []
    assert ids(status="completed") == []
    assert len(ids(status="not_attempted", limit=2)) == 2
