"""Files that somebody leaves: what is new is read, in order, with the row's number in every rejection."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fix_partners import NOW, Connected, fetch_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from courseyard.errors import PartnerAnswerError, PartnerError
from courseyard.partners.connector import Scope, Stream
from courseyard.partners.connectors import files
from courseyard.partners.connectors.files import Files
from courseyard.partners.records import Course, Credential, Enrolment, ModuleProgress

pytestmark = pytest.mark.anyio

COLUMNS = json.dumps(
    {
        "course": {"fields": {"external_id": {"column": "id"}, "title": {"column": "title"}}, "path": "result.items"},
        "enrolment": {
            "fields": {"course": {"column": "Course"}, "user_id": {"column": "User"}, "status": {"column": "Status"}}
        },
        "module": {
            "fields": {
                "course": {"column": "Course"},
                "user_id": {"column": "User"},
                "module_id": {"column": "Lesson"},
                "score": {"column": "Points", "scale": "points", "highest": 20},
            }
        },
        "credential": {
            "fields": {"external_id": {"column": "No"}, "user_email": {"column": "Mail"}, "name": {"column": "Name"}}
        },
    }
)


class Place:
    """A folder, and a connector on it."""

    def __init__(self, folder: Path, connected: Connected) -> None:
        self.folder = folder
        self.connected = connected
        self.clock = 1_700_000_000

    def put(self, name: str, content: str | bytes) -> None:
        self.clock += 60
        data = content.encode() if isinstance(content, str) else content
        (self.folder / name).write_bytes(data)
        os.utime(self.folder / name, (self.clock, self.clock))

    def connector(self, **values):
        values = {"columns": COLUMNS, "upload_location": str(self.folder), **values}
        return self.connected.make(Files, "http://127.0.0.1:9", **values)


@pytest.fixture
def place(tmp_path: Path, connected: Connected) -> Place:
    return Place(tmp_path, connected)


def table(*rows: str) -> str:
    return "\n".join(["Course,User,Status", *rows, ""])


async def test_each_stream_reads_its_files(place):
    place.put("courses.json", '{"result": {"items": [{"id": 7, "title": "Safety"}]}}')
    place.put("enrolments.csv", table("7,u1,active"))
    place.put("progress.csv", "Course;User;Lesson;Points\n7;u1;l1;17\n")
    place.put("certificates.csv", "No,Mail,Name\n1,a@x.org,Driver\n")
    place.put("readme.txt", "nothing for us")
    kinds = {
        Stream.CATALOGUE: Course,
        Stream.ENROLMENTS: Enrolment,
        Stream.PROGRESS: ModuleProgress,
        Stream.CREDENTIALS: Credential,
    }
    for stream, kind in kinds.items():
        records, _ = await fetch_all(place.connector(), stream)
        assert [type(record) for record in records] == [kind]
    records, page = await fetch_all(place.connector(), Stream.PROGRESS)
    assert (records[0].enrolment, records[0].score) == ("7:u1", 85)
    assert page.data_at == records[0].data_at and page.data_at.timestamp() == 1_700_000_180


async def test_only_new_and_changed_files_are_read_the_oldest_first(place):
    place.put("enrol-b.csv", table("7,u1,active"))
    place.put("enrol-a.csv", table("7,u1,completed"))
    records, page = await fetch_all(place.connector(), Stream.ENROLMENTS)
    assert [record.status for record in records] == ["active", "completed"]
    assert not page.complete
    again, page = await fetch_all(place.connector(), Stream.ENROLMENTS, since=page.watermark)
    assert again == []
    place.put("enrol-b.csv", table("7,u1,failed"))
    place.put("enrol-c.csv", table("7,u2,active"))
    records, page = await fetch_all(place.connector(), Stream.ENROLMENTS, since=page.watermark)
    assert [(r.user.external_id, r.status) for r in records] == [("u1", "failed"), ("u2", "active")]
    assert (await fetch_all(place.connector(), Stream.ENROLMENTS, since=page.watermark))[0] == []


async def test_files_are_read_again_when_the_columns_change(place):
    place.put("enrol.csv", table(*(f"7,u{n},huh" for n in range(60))))
    page = await place.connector().fetch(Stream.ENROLMENTS, None, Scope(now=NOW))
    ((raw, reason),) = page.rejected
    assert raw == {"file": "enrol.csv"} and "none of 60 rows is understood" in reason and "row 2" in reason
    columns = json.loads(COLUMNS)
    columns["enrolment"]["fields"]["status"]["values"] = {"huh": "completed"}
    records, _ = await fetch_all(place.connector(columns=json.dumps(columns)), Stream.ENROLMENTS, since=page.watermark)
    assert len(records) == 60


async def test_of_snapshots_the_newest_counts_and_is_complete(place):
    place.put("enrol-1.csv", table("7,u1,active", "7,u2,active"))
    place.put("enrol-2.csv", table("7,u2,active"))
    records, page = await fetch_all(place.connector(content="snapshot"), Stream.ENROLMENTS)
    assert [record.user.external_id for record in records] == ["u2"]
    assert page.complete
    again, page = await fetch_all(place.connector(content="snapshot"), Stream.ENROLMENTS, since=page.watermark)
    assert (again, page.complete) == ([], False), "an unchanged file does not say that all is gone"


async def test_a_snapshot_with_a_row_that_is_not_understood_does_not_say_who_is_gone(place):
    place.put("enrol.csv", table("7,u1,active", "7,u2,huh"))
    _, page = await fetch_all(place.connector(content="snapshot"), Stream.ENROLMENTS)
    assert not page.complete
    ((raw, reason),) = page.rejected
    assert raw == {"file": "enrol.csv", "row": 3, "record": {"Course": "7", "User": "u2", "Status": "huh"}}
    assert reason.startswith("enrol.csv, row 3: status: 'huh'")


async def test_a_file_that_cannot_be_read_does_not_stop_the_next(place):
    place.put("enrol-1.json", '{"broken')
    place.put("enrol-2.csv", "")
    place.put("enrol-3.csv", table("7,u1,active"))
    rejected = []
    connector, cursor = place.connector(), None
    while True:
        page = await connector.fetch(Stream.ENROLMENTS, cursor, Scope(now=NOW))
        rejected += page.rejected
        if page.next is None:
            break
        cursor = page.next
    assert [raw for raw, _ in rejected] == [{"file": "enrol-1.json"}, {"file": "enrol-2.csv"}]
    assert len(page.records) == 1
    assert set(page.watermark["files"]) == {"enrol-1.json", "enrol-2.csv", "enrol-3.csv"}


async def test_any_page_can_be_fetched_by_another_process(place, monkeypatch):
    monkeypatch.setattr(files, "_ROWS_PER_PAGE", 3)
    place.put("enrol-1.csv", table(*(f"7,a{n},active" for n in range(7))))
    place.put("enrol-2.csv", table(*(f"7,b{n},active" for n in range(6))))
    whole, _ = await fetch_all(place.connector(), Stream.ENROLMENTS)
    found, cursor = [], None
    while True:
        page = await place.connector().fetch(Stream.ENROLMENTS, cursor, Scope(now=NOW))
        found += page.records
        if page.next is None:
            break
        cursor = json.loads(json.dumps(page.next))
    assert found == whole and len(whole) == 13


async def test_a_file_that_changes_in_the_middle_is_read_from_its_start_and_once_more(place, monkeypatch):
    monkeypatch.setattr(files, "_ROWS_PER_PAGE", 3)
    place.put("enrol.csv", table(*(f"7,a{n},active" for n in range(5))))
    page = await place.connector().fetch(Stream.ENROLMENTS, None, Scope(now=NOW))
    place.put("enrol.csv", table(*(f"7,b{n},active" for n in range(2))))
    page = await place.connector().fetch(Stream.ENROLMENTS, page.next, Scope(now=NOW))
    assert [record.user.external_id for record in page.records] == ["b0", "b1"]
    again, _ = await fetch_all(place.connector(), Stream.ENROLMENTS, since=page.watermark)
    assert len(again) == 2


async def test_a_file_that_vanishes_in_the_middle_is_told(place, monkeypatch):
    monkeypatch.setattr(files, "_ROWS_PER_PAGE", 3)
    place.put("enrol.csv", table(*(f"7,a{n},active" for n in range(5))))
    page = await place.connector().fetch(Stream.ENROLMENTS, None, Scope(now=NOW))
    (place.folder / "enrol.csv").unlink()
    page = await place.connector().fetch(Stream.ENROLMENTS, page.next, Scope(now=NOW))
    assert page.next is None and "not there" in page.rejected[0][1]


async def test_the_check_tells_what_is_understood(place):
    place.put("enrol.csv", table("7,u1,active", "7,u2,huh"))
    place.put("progress.csv", "Course;User;Lesson;Points\n7;u1;l1;17\n")
    found = {check.what: check for check in await place.connector().check()}
    assert found["Enrolments: 1 of the first 2 rows of enrol.csv are understood."].state == "warning"
    assert found["Progress: 1 of the first 1 rows of progress.csv are understood."].state == "ok"
    assert found["No file matches for the catalogue."].state == "warning"


async def test_the_check_tells_that_there_is_no_file(place):
    place.folder.mkdir(exist_ok=True)
    found = [(check.state, check.what) for check in await place.connector().check()]
    assert found[0] == ("warning", "The place can be read, but there is no file in it.")


async def test_without_a_file_nothing_is_read_and_nothing_is_gone(place):
    place.put("enrol.csv", table("7,u1,active"))
    _, page = await fetch_all(place.connector(content="snapshot"), Stream.ENROLMENTS)
    assert page.complete
    (place.folder / "enrol.csv").unlink()
    records, page = await fetch_all(place.connector(content="snapshot"), Stream.ENROLMENTS, since=page.watermark)
    assert (records, page.complete, page.watermark) == ([], False, {"files": {}})


async def test_the_check_suggests_columns(place):
    place.put(
        "enrolments.json", '{"data": {"rows": [{"course": {"id": 7}, "user": {"email": "a@x.org"}, "Status": "done"}]}}'
    )
    place.put("progress.csv", '{"broken')
    _, failed, suggested = await place.connector(columns="").check()
    assert (failed.state, suggested.state) == ("failed", "warning")
    records, _ = await fetch_all(place.connector(columns=suggested.detail), Stream.ENROLMENTS)
    assert [(r.external_id, r.status) for r in records] == [("7:a@x.org", "completed")]


async def test_columns_that_are_set_up_wrongly_are_told(place):
    with pytest.raises(PartnerAnswerError, match="not set up"):
        await place.connector(columns="{").fetch(Stream.ENROLMENTS, None, Scope(now=NOW))


async def test_a_kind_without_columns_has_nothing_to_read(place):
    place.put("enrol.csv", table("7,u1,active"))
    assert (await fetch_all(place.connector(columns=""), Stream.ENROLMENTS))[0] == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    content=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=10
    ).map(lambda v: json.dumps(v).encode())
)
async def test_nothing_in_a_file_breaks_the_sync(place, content):
    place.put("enrol.csv", content)
    connector = place.connector()
    try:
        page = await connector.fetch(Stream.ENROLMENTS, None, Scope(now=NOW))
    except PartnerError:
        return
    told = json.dumps([raw for raw, _ in page.rejected], allow_nan=False, ensure_ascii=False)
    # Told as text, the six characters have a backslash of their own before them.
    assert "\\u0000" not in told.replace("\\\\", "")
