"""REST: packages. Real imports, real files, real refusals."""

import io
import uuid
import zipfile

import pytest
from fix_web import DEMO, PRIVACY, upload


def zip_of(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def stored(site):
    return [path for path in (site.settings.data / "packages").rglob("*") if path.is_file()]


def test_import_answers_with_exactly_the_contract(site):
    answer = upload(site.client())
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {"id", "title", "version", "edition", "activities", "findings"}
    assert (body["version"], body["edition"]) == ("1.2", "1.2")
    assert body["activities"] >= 1
    [(title, version)] = site.sql("select title, version from public.scorm_packages where id = %s", body["id"])
    assert (title, version) == (body["title"], "1.2")
    assert len(stored(site)) > 0
    assert list((site.settings.data / "uploads").iterdir()) == [], "the upload itself is gone"


def test_import_of_scorm_2004_says_its_edition(site):
    body = upload(site.client(), PRIVACY).json()
    assert body["version"] == "2004"
    assert body["edition"] in {"2nd", "3rd", "4th"}


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"no zip", "not-a-zip"), (zip_of(readme="x"), "no-manifest"), (zip_of(**{"imsmanifest.xml": "<a"}), "bad-xml")],
)
def test_bad_package_is_refused_with_findings_and_leaves_nothing(site, content, code):
    answer = upload(site.client(), content)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    finding = next(f for f in body["findings"] if f["code"] == code)
    assert finding["severity"] == "error"
    assert finding["message"]
    assert finding["hint"]
    assert site.sql("select count(*) from public.scorm_packages") == [(0,)]
    assert stored(site) == []


def test_no_file_and_no_multipart_are_told_apart(site):
    client = site.client()
    missing = client.post("/api/packages", files={"other": ("a.zip", b"x")})
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (422, "file")
    assert client.post("/api/packages", content=b"x").status_code == 400
    assert client.post("/api/packages", json={"file": "x"}).status_code == 400


def test_uploads_of_strangers_are_refused_before_they_are_stored(site):
    assert upload(site.client(None)).status_code == 401
    learner = site.browser(site.person())
    assert upload(learner).status_code == 403
    assert not (site.settings.data / "uploads").exists()


def test_list_search_and_pages(site):
    client = site.client()
    ids = [upload(client, content, name).json()["id"] for name, content in DEMO.items()]
    everything = client.get("/api/packages")
    assert [p["id"] for p in everything.json()] == ids[::-1], "newest first"
    assert everything.headers["x-total-count"] == "3"
    first = client.get("/api/packages", params={"limit": 2})
    assert len(first.json()) == 2
    following = first.headers["link"].split(";")[0].strip("<>")
    assert [p["id"] for p in client.get(following).json()] == ids[:1]
    title = everything.json()[1]["title"]
    assert [p["title"] for p in client.get("/api/packages", params={"search": title[2:9].upper()}).json()] == [title]
    assert client.get("/api/packages", params={"search": "%"}).json() == []


def test_detail_tells_settings_findings_and_versions(site):
    client = site.client()
    package = upload(client).json()["id"]
    body = client.get(f"/api/packages/{package}").json()
    assert (body["launch_window"], body["strict"], body["is_active"]) == ("frame", False, True)
    assert [v["number"] for v in body["versions"]] == [1]
    assert body["versions"][0]["is_current"] is True
    assert body["versions"][0]["file_name"] == "lifting.zip"


def test_change_only_what_is_named(site):
    client = site.client()
    package = upload(client).json()["id"]
    before = client.get(f"/api/packages/{package}").json()
    after = client.patch(f"/api/packages/{package}", json={"title": "Neu", "strict": True, "max_attempts": 3}).json()
    assert after["updated_at"] > before["updated_at"]
    changed = {name for name in before if before[name] != after[name]} - {"updated_at"}
    assert changed == {"title", "strict", "max_attempts"}
    assert client.patch(f"/api/packages/{package}", json={"max_attempts": None}).json()["max_attempts"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": "  "},
        {"title": None},
        {"title": 5},
        {"title": "a\x00b"},
        {"passing_score": 101},
        {"passing_score": "80"},
        {"passing_score": True},
        {"launch_window": "popup"},
        {"id": str(uuid.uuid4())},
        {"launch_url": "https://evil.example"},
        {"is_active": "yes"},
        [],
    ],
)
def test_bad_changes_are_refused_by_name_and_change_nothing(site, body):
    client = site.client()
    package = upload(client).json()["id"]
    before = client.get(f"/api/packages/{package}").json()
    answer = client.patch(f"/api/packages/{package}", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("body")
    assert client.get(f"/api/packages/{package}").json() == before


def test_new_version_becomes_the_current_one(site):
    client = site.client()
    package = upload(client).json()["id"]
    answer = upload(client, DEMO["workshop.zip"], "workshop.zip", f"/api/packages/{package}/versions")
    assert answer.status_code == 201
    assert answer.json()["id"] == package
    versions = client.get(f"/api/packages/{package}").json()["versions"]
    assert [(v["number"], v["is_current"]) for v in versions] == [(2, True), (1, False)]


def test_bad_new_version_changes_nothing(site):
    client = site.client()
    package = upload(client).json()["id"]
    before = client.get(f"/api/packages/{package}").json()
    assert upload(client, b"no zip", path=f"/api/packages/{package}/versions").status_code == 422
    assert client.get(f"/api/packages/{package}").json() == before


def test_delete_takes_files_and_rows_along(site):
    client = site.client()
    package = upload(client).json()["id"]
    assert client.delete(f"/api/packages/{package}").status_code == 204
    assert client.get(f"/api/packages/{package}").status_code == 404
    assert client.delete(f"/api/packages/{package}").status_code == 404
    assert stored(site) == []
    assert site.sql("select count(*) from courseyard.package_versions") == [(0,)]


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_unknown_package_is_404(site, method):
    arguments = {"json": {"title": "x"}} if method == "patch" else {}
    answer = site.client().request(method, f"/api/packages/{uuid.uuid4()}", **arguments)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_wrong_method_and_address_are_problem_documents(site):
    client = site.client()
    wrong = client.put("/api/packages", json={})
    assert wrong.status_code == 405
    assert set(wrong.headers["allow"].replace(" ", "").split(",")) == {"GET", "POST"}
    for answer in (wrong, client.get("/api/nothing"), client.get("/api/packages/no-uuid")):
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "code", "hint"} <= set(answer.json())


def test_malformed_and_oversized_json(site):
    client = site.client()
    package = upload(client).json()["id"]
    headers = {"Content-Type": "application/json"}
    broken = client.patch(f"/api/packages/{package}", content=b'{"title": ', headers=headers)
    assert (broken.status_code, broken.json()["code"]) == (400, "malformed-body")
    deep = client.patch(f"/api/packages/{package}", content=b"[" * 100_000, headers=headers)
    assert deep.status_code == 400
    halves = client.patch(f"/api/packages/{package}", content=b'{"title": "\\ud800"}', headers=headers)
    assert halves.status_code == 422
    no_text = client.patch(f"/api/packages/{package}", content=b'{"title": "\xff"}', headers=headers)
    assert no_text.status_code == 400
    huge = client.patch(f"/api/packages/{package}", content=b'{"title": "' + b"x" * 1_100_000, headers=headers)
    assert huge.status_code == 413
    streamed = client.patch(f"/api/packages/{package}", content=(b"x" * 100_000 for _ in range(12)), headers=headers)
    assert streamed.status_code == 413


def test_a_row_written_by_hand_is_shown_as_what_it_is(site):
    site.sql(
        "insert into public.scorm_packages (title, version, package_url, launch_url)"
        " values ('By hand', '1.2', 'https://example.com/a.zip', 'https://example.com/index.html')"
    )
    client = site.client()
    [row] = client.get("/api/packages").json()
    assert (row["title"], row["version"], row["activities"]) == ("By hand", "1.2", 0)
    assert client.get(f"/api/packages/{row['id']}").json()["versions"] == []
    assert upload(client, path=f"/api/packages/{row['id']}/versions").status_code == 201
    assert client.get(f"/api/packages/{row['id']}").json()["activities"] >= 1


def test_instructors_manage_their_own_packages_only(site):
    own, other = (
        site.browser(site.person("instructor", "i1@x.org")),
        site.browser(site.person("instructor", "i2@x.org")),
    )
    package = upload(own).json()["id"]
    assert own.patch(f"/api/packages/{package}", json={"title": "Mine"}).json()["title"] == "Mine"
    assert other.patch(f"/api/packages/{package}", json={"title": "Mine now"}).status_code == 404
    assert other.delete(f"/api/packages/{package}").status_code == 404
    assert upload(other, path=f"/api/packages/{package}/versions").status_code == 404
    enrolling = {"package_id": package, "learner": {"email": "x@example.org"}}
    assert other.post("/api/enrollments", json=enrolling).status_code == 404
    admin = site.browser(site.person("admin"))
    assert admin.delete(f"/api/packages/{package}").status_code == 204
