"""Pages of partners that deliver tables: files are uploaded, their columns are set up with a preview, and a sync reads them."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from fix_web import RunningSite

from courseyard.partners.providers import Draft, Settings

COURSES = b'{"result": {"items": [{"id": 7, "title": "Safety", "hours": 2}, {"id": 8, "title": "Fire", "hours": 1.5}]}}'
ENROLMENTS = (
    b"Course ID;Personnel no.;E-mail;State;Progress;Done on\n"
    b"7;100;lea@example.org;Erledigt;100 %;24.11.2026\n"
    b"8;101;leo@example.org;Offen;40 %;\n"
    b"8;102;max@example.org;Offen;140 %;\n"
)


class Partner:
    """A partner that delivers files, and an administrator on its pages."""

    def __init__(self, site: RunningSite, kind: str = "files", **options: Any) -> None:
        self.site = site
        settings = Settings(schedule_minutes=None, import_rule="all")
        self.id = site.run(site.services.hub.providers.save(Draft(kind, "Reports", options, settings)))
        self.path = f"/partners/providers/{self.id}"
        self.admin: httpx.Client = site.browser(site.person("admin"))

    def upload(self, name: str, content: bytes, **headers: str) -> httpx.Response:
        return self.admin.post(f"{self.path}/files", files={"file": (name, content)}, headers=headers)

    def columns(self, query: str = "") -> str:
        answer = self.admin.get(f"{self.path}/columns?{query}")
        assert answer.status_code == 200
        return answer.text

    def send(self, **fields: Any) -> httpx.Response:
        return self.admin.post(f"{self.path}/columns", data=fields)

    def saved(self) -> dict[str, Any]:
        provider = self.site.run(self.site.services.hub.providers.get(self.id))
        return dict(json.loads(provider.options["columns"] or "{}"))


def form_of(html: str) -> dict[str, Any]:
    """The mapping's form as a browser would send it unchanged."""
    body = html[html.index('name="action" value="preview"') - 2_000 : html.index("All columns as JSON")]
    found: dict[str, Any] = {}
    for select in re.finditer(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', body, re.DOTALL):
        options = re.findall(r'<option value="([^"]*)"( selected)?', select[2])
        value = next((value for value, selected in options if selected), options[0][0] if options else "")
        found.setdefault(select[1], []).append(value)
    for field in re.finditer(r'<input (?:type="hidden" |class="value" )?name="([^"]+)"[^>]*? value="([^"]*)"', body):
        found.setdefault(field[1], []).append(field[2])
    return found


@pytest.fixture
def partner(site: RunningSite) -> Partner:
    return Partner(site, source="upload", content="delta")


def test_a_file_becomes_rows_in_the_organisations_tables(site: RunningSite, partner: Partner) -> None:
    site.person(email="lea@example.org")
    site.person(email="leo@example.org")
    assert "No file is uploaded" in partner.admin.get(f"{partner.path}/files").text
    assert partner.upload("courses.json", COURSES).status_code == 303
    answer = partner.upload("enrolments.csv", ENROLMENTS, Accept="application/json")
    assert (answer.status_code, answer.json()) == (201, {"name": "enrolments.csv"})
    listed = partner.admin.get(f"{partner.path}/files").text
    assert "courses.json" in listed
    assert "Not read" not in listed

    suggested = partner.columns("kind=course")
    assert "nothing is saved yet" in suggested
    assert partner.send(**form_of(suggested), action="save").status_code == 303
    assert partner.saved()["course"]["path"] == "result.items"

    shown = partner.columns("kind=enrolment")
    assert "Erledigt" in shown
    assert "say what" in shown, "a word that nobody knows must be explained"
    form = form_of(shown)
    words = dict(zip(form["status.word"], range(9), strict=False))
    form["status.means"][words["Erledigt"]] = "completed"
    form["status.means"][words["Offen"]] = "active"
    form |= {"completed_at.from": "column:Done on", "completed_at.format": "%d.%m.%Y"}
    preview = partner.send(**form, action="preview").text
    assert "1 of 3 rows would not be understood" in preview
    assert "does not lie between 0 and 100 percent" in preview
    assert partner.saved().keys() == {"course"}, "looking saves nothing"
    assert partner.send(**form, action="save").status_code == 303
    assert partner.saved()["enrolment"]["fields"]["status"]["values"] == {"Erledigt": "completed", "Offen": "active"}
    assert partner.saved()["enrolment"]["fields"]["completed_at"]["format"] == "%d.%m.%Y"

    partner.admin.post(f"{partner.path}/sync", data={"how": "sync", "streams": ["catalogue", "enrolments"]})
    site.work()
    assert site.sql("select course_name from public.partner_courses order by 1") == [("Fire",), ("Safety",)]
    assert site.sql("select status, progress_percentage from public.partner_lms_enrollments order by 1") == [
        ("active", 40),
        ("completed", 100),
    ]
    assert partner.send(kind="course", action="remove").status_code == 303
    assert partner.saved().keys() == {"enrolment"}


def test_every_way_to_read_a_field_is_kept(partner: Partner) -> None:
    partner.upload("progress.csv", b"Course,Who,Lesson,Points,Out of,Minutes,When\n7,u1,l1,17,20,5,25/11/2026 10:00\n")
    fields = {
        "course.from": "constant",
        "course.value": "7",
        "user_id.from": "column:Who",
        "module_id.from": "template",
        "module_id.value": "{Course}-{Lesson}",
        "score.from": "column:Points",
        "score.scale": "points",
        "score.lowest": "0",
        "score.highest": "Out of",
        "time_spent.from": "column:Minutes",
        "time_spent.unit": "minutes",
        "completed_at.from": "column:When",
        "completed_at.format": "%d/%m/%Y %H:%M",
        "completed_at.zone": "Europe/Berlin",
    }
    shown = partner.send(kind="module", file="progress.csv", action="preview", extra=["Out of"], **fields).text
    for value in ("7-l1", "85 %", "5 min 0 s", '<time datetime="2026-11-25T09:00:00+00:00">'):
        assert f"<td>{value}" in shown, value
    assert partner.send(kind="module", action="save", extra=["Out of"], **fields).status_code == 303
    assert partner.saved()["module"] == {
        "fields": {
            "course": {"constant": "7"},
            "user_id": {"column": "Who"},
            "module_id": {"template": "{Course}-{Lesson}"},
            "score": {"column": "Points", "scale": "points", "lowest": 0.0, "highest": "Out of"},
            "time_spent": {"column": "Minutes", "unit": "minutes"},
            "completed_at": {"column": "When", "format": "%d/%m/%Y %H:%M", "zone": "Europe/Berlin"},
        },
        "extra": ["Out of"],
    }
    again = form_of(partner.columns("kind=module&file=progress.csv"))
    assert again["score.scale"] == ["points"]
    assert again["module_id.value"] == ["{Course}-{Lesson}"]


def test_a_mapping_that_cannot_work_is_not_saved_and_not_lost(partner: Partner) -> None:
    partner.upload("courses.csv", b"Nr,Name\n1,Safety\n")
    answer = partner.send(kind="course", file="courses.csv", action="save", **{"title.from": "column:Name"})
    assert answer.status_code == 422
    assert "external_id is missing" in answer.text
    assert re.search(r'<option value="column:Name" selected', answer.text), "what was chosen stays"
    assert partner.saved() == {}
    assert partner.send(action="json", columns="{oops").status_code == 422
    assert "{oops" in partner.send(action="json", columns="{oops").text
    good = {"course": {"fields": {"external_id": {"column": "Nr"}, "title": {"column": "Name"}}}}
    assert partner.send(action="json", columns=json.dumps(good)).status_code == 303
    assert partner.saved() == good


def test_saving_the_settings_keeps_the_columns(partner: Partner) -> None:
    good = {"course": {"fields": {"external_id": {"column": "Nr"}, "title": {"column": "Name"}}}}
    partner.send(action="json", columns=json.dumps(good))
    data = {
        "name": "Reports by mail",
        "option.source": "upload",
        "option.content": "snapshot",
        "requests_per_minute": "120",
        "identity_rules": ["email"],
        "unknown_people": "wait",
        "import_rule": "all",
        "stale_after_minutes": "2880",
        "keep_changes_days": "30",
    }
    assert partner.admin.post(f"{partner.path}/settings", data=data).status_code == 303
    assert partner.saved() == good


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("courses.csv", b"PK\x03\x04 no table", "Excel workbook or a zip"),
        ("courses.csv", b"<!doctype html><p>Sign in", "a web page or XML"),
        ("courses.json", b'{"items": [', "broken or cut off"),
    ],
)
def test_what_is_no_table_is_told(partner: Partner, name: str, content: bytes, said: str) -> None:
    partner.upload(name, content)
    assert said in partner.columns(f"kind=course&file={name}")


def test_what_is_in_a_file_is_text(partner: Partner) -> None:
    evil = "<img src=x onerror=alert(1)>"
    partner.upload(f"courses{evil.replace('/', '')}.csv", f"id,title,{evil}\n1,{evil},{evil}\n".encode())
    for text in (partner.columns("kind=course"), partner.admin.get(f"{partner.path}/files").text):
        assert evil not in text


ENROLMENT_COLUMNS = json.dumps(
    {
        "course": {"fields": {"external_id": {"column": "id"}, "title": {"column": "title"}}},
        "enrolment": {
            "fields": {
                "course": {"column": "course"},
                "user_email": {"column": "email"},
                "status": {"column": "state"},
            }
        },
    }
)


def test_an_uploaded_file_is_deleted_after_a_page_has_said_what_that_means(site: RunningSite) -> None:
    partner = Partner(site, source="upload", content="snapshot", columns=ENROLMENT_COLUMNS)
    lea, leo = site.person(email="lea@example.org"), site.person(email="leo@example.org")

    def standing() -> dict[str, str]:
        return dict(site.sql("select student_id::text, status from public.partner_lms_enrollments"))

    def sync() -> str:
        partner.admin.post(f"{partner.path}/sync", data={"how": "sync", "streams": ["catalogue", "enrolments"]})
        site.work()
        [(status,)] = site.sql("select status from public.lms_sync_log order by started_at desc limit 1")
        return str(status)

    def ask(name: str) -> str:
        answer = partner.admin.get(f"{partner.path}/files/delete", params={"file": name})
        assert answer.status_code == 200
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.text))

    partner.upload("courses.csv", b"id,title\n7,Safety\n")
    partner.upload("enrol-1.csv", b"course,email,state\n7,lea@example.org,active\n")
    partner.upload("enrol-2.csv", b"course,email,state\n7,lea@example.org,active\n7,leo@example.org,active\n")
    assert sync() == "succeeded"
    assert standing() == {lea: "active", leo: "active"}
    listed = partner.admin.get(f"{partner.path}/files").text
    assert listed.count("Delete …") == 3
    assert re.search(r'data-label="Uploaded"><time datetime="[^"]+\+00:00">[^<]+ UTC</time>', listed)

    assert "It is not the newest listing of anything" in ask("enrol-1.csv")
    assert "No file with courses is left then" in ask("courses.csv")
    said = ask("enrol-2.csv")
    assert "What was imported from it stays." in said
    assert "The next sync reads enrol-1.csv in its place: what is only in enrol-2.csv is marked as gone." in said
    assert "enrol-2.csv" in partner.admin.get(f"{partner.path}/files").text, "asking deletes nothing"
    answer = partner.admin.post(f"{partner.path}/files/delete", data={"file": "enrol-2.csv"})
    assert answer.status_code == 303 and "done=file-deleted" in answer.headers["location"]
    assert standing() == {lea: "active", leo: "active"}, "what was imported stays"
    assert sync() == "succeeded"
    assert standing() == {lea: "active", leo: "withdrawn"}, "as the page has said"

    partner.admin.post(f"{partner.path}/files/delete", data={"file": "courses.csv"})
    assert "It is the only file." in ask("enrol-1.csv")
    partner.admin.post(f"{partner.path}/files/delete", data={"file": "enrol-1.csv"})
    assert partner.admin.get(f"{partner.path}/files/delete?file=enrol-1.csv").status_code == 404
    assert "No file is uploaded." in partner.admin.get(f"{partner.path}/files").text
    runs = site.sql("select count(*) from public.lms_sync_log")
    for how in ("sync", "dry", "drift"):
        answer = partner.admin.post(f"{partner.path}/sync", data={"how": how, "streams": ["enrolments"]})
        assert answer.status_code == 409
        assert "No file is uploaded for &#39;Reports&#39;, so there is nothing to read." in answer.text
    assert site.client().post(f"/api/partner-providers/{partner.id}/sync", json={}).status_code == 409
    site.sql("update courseyard.partner_settings set schedule_minutes = 60, next_run_at = now(), next_drift_at = null")
    site.run(site.services.hub.schedule.minute())
    site.work()
    assert site.sql("select count(*) from public.lms_sync_log") == runs, "nothing to read is no failure"
    assert standing() == {lea: "active", leo: "withdrawn"}, "no file says of nobody that they are gone"
    assert site.sql("select failures_in_a_row from courseyard.partner_settings") == [(0,)]


def test_what_deleting_means_is_told_for_other_files_too(site: RunningSite, partner: Partner) -> None:
    for name in ("enrol-1.csv", "enrol-2.csv"):
        partner.upload(name, b"course,email,state\n")
    assert "Nothing is marked as gone" in partner.admin.get(f"{partner.path}/files/delete?file=enrol-2.csv").text
    zips = Partner(site, "oneroster_csv", source="upload")
    for name in ("a.zip", "b.zip"):
        zips.upload(name, b"PK")
    assert "the next check for drift" in zips.admin.get(f"{zips.path}/files/delete?file=b.zip").text


def test_files_of_others_and_by_others_are_not_deleted(site: RunningSite, partner: Partner) -> None:
    partner.upload("courses.json", COURSES)
    for who in (site.browser(site.person("instructor")), site.browser(site.person())):
        assert who.get(f"{partner.path}/files/delete?file=courses.json").status_code == 403
        assert who.post(f"{partner.path}/files/delete", data={"file": "courses.json"}).status_code == 403
    for name in ("../../courseyard.json", "", "courses.json/", "no.csv"):
        assert partner.admin.post(f"{partner.path}/files/delete", data={"file": name}).status_code == 404
    assert "courses.json" in partner.admin.get(f"{partner.path}/files").text
    elsewhere = Partner(site, source="folder", location="reports")
    assert elsewhere.admin.post(f"{elsewhere.path}/files/delete", data={"file": "a.csv"}).status_code == 422


def test_names_lead_nowhere_else(site: RunningSite, partner: Partner) -> None:
    assert partner.upload("../../evil.csv", b"a,b\n1,2\n").status_code in (303, 422)
    assert not list(site.settings.data.parent.glob("evil.csv"))
    bad = partner.upload(".hidden..", b"x", Accept="application/json")
    assert bad.status_code in (201, 422)
    assert "secret" not in partner.columns("kind=course&file=../../../etc/passwd")


def test_a_delivery_is_mapped_from_an_example(site: RunningSite) -> None:
    partner = Partner(site, "webhook", scheme="bearer", secret="s3cr3t-of-the-partner", content="mapped")
    sample = '{"learner": {"email": "lea@example.org"}, "course": "7", "state": "completed"}'
    suggested = partner.send(kind="enrolment", action="suggest", sample=sample).text
    assert "s3cr3t" not in suggested
    form = form_of(suggested)
    assert form["user_email.from"] == ["column:learner.email"]
    assert partner.send(**form, action="save").status_code == 303
    assert partner.saved()["enrolment"]["fields"]["status"] == {"column": "state"}
    kept = site.run(site.services.hub.providers.get(partner.id))
    assert site.services.hub.providers.open(kept).config.text("secret") == "s3cr3t-of-the-partner"
    assert partner.admin.get(f"{partner.path}/files").status_code == 404


def test_only_administrators(site: RunningSite, partner: Partner) -> None:
    for role in ("student", "instructor"):
        somebody = site.browser(site.person(role))
        for page in ("files", "columns"):
            assert somebody.get(f"{partner.path}/{page}").status_code == 403
        assert somebody.post(f"{partner.path}/files", files={"file": ("a.csv", b"a")}).status_code == 403
        assert somebody.post(f"{partner.path}/columns", data={"action": "json", "columns": ""}).status_code == 403
    manual = Partner(site, "manual")
    assert manual.admin.get(f"{manual.path}/columns").status_code == 404
