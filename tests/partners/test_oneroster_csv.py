"""OneRoster CSV: real zips, whole and with changes, as systems export them and as they get broken."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fix_partners import NOW, Connected, fetch_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from partners.standins.oneroster_csv import BULK, header, packed

from courseyard.errors import PartnerError
from courseyard.partners import oneroster_zip
from courseyard.partners.connector import Connector, Cursor, Scope, Stream
from courseyard.partners.connectors import oneroster_csv
from courseyard.partners.connectors.oneroster_csv import OneRosterCsv
from courseyard.partners.records import Course, Enrolment, Gone, ModuleProgress, Record, User

pytestmark = pytest.mark.anyio

STREAMS = (Stream.CATALOGUE, Stream.ENROLMENTS, Stream.PROGRESS)

LATER = "2026-11-05T08:00:00.000Z"


class Place:
    """A folder for zips, each newer than the one before; and connectors on it."""

    def __init__(self, folder: Path, connected: Connected) -> None:
        self.folder = folder
        self.connected = connected
        self.clock = 1_767_225_600  # 2026-01-01

    def put(self, name: str, data: bytes) -> datetime:
        self.clock += 86_400
        (self.folder / name).write_bytes(data)
        os.utime(self.folder / name, (self.clock, self.clock))
        return datetime.fromtimestamp(self.clock, UTC)

    def bulk(self, name: str = "1.zip", **changed: str | bytes) -> datetime:
        files = BULK | changed
        return self.put(name, packed(files, dict.fromkeys(files, "bulk")))

    def delta(self, name: str, **files: str) -> datetime:
        return self.put(name, packed(files, dict.fromkeys(BULK, "absent") | dict.fromkeys(files, "delta")))

    def make(self, **values: str) -> Connector:
        return self.connected.make(
            OneRosterCsv, "http://127.0.0.1:9", **({"upload_location": str(self.folder)} | values)
        )

    async def read(self, stream: Stream, since: Cursor | None = None) -> tuple[list[Record], Any]:
        return await fetch_all(self.make(), stream, since=since)


@pytest.fixture
def place(tmp_path: Path, connected: Connected) -> Place:
    return Place(tmp_path, connected)


def states(records: list[Record]) -> dict[str, tuple[str, float | None]]:
    return {f"{m.enrolment}:{m.module_id}": (m.status, m.score) for m in records if isinstance(m, ModuleProgress)}


async def test_a_whole_set(place: Place) -> None:
    at = place.bulk()
    (first, second), last = await place.read(Stream.CATALOGUE)
    assert isinstance(first, Course) and isinstance(second, Course)
    assert (first.external_id, first.title, first.code, first.category) == ("m1", 'Maths "1a", early', "MA-1a", "Maths")
    assert first.extra["term"] == "Autumn, Spring" and first.extra["endDate"] == "2027-06-20"
    assert first.extra["grades"] == "09, 10" and first.extra["courseTitle"] == "Mathematics"
    assert first.data_at == at and last.data_at == at
    assert last.complete

    (anna, _), last = await place.read(Stream.ENROLMENTS)
    assert isinstance(anna, Enrolment)
    assert anna.user == User(external_id="u1", email="anna@example.org", name="Anna Ahn", sis_id="P-1")
    assert (anna.external_id, anna.course, anna.status) == ("m1:u1", "m1", None)
    assert anna.enrolled_at == datetime(2026, 8, 15, tzinfo=UTC)
    assert last.complete

    records, last = await place.read(Stream.PROGRESS)
    assert states(records) == {
        "m1:u1:l1": ("completed", 75.0),
        "m1:u2:l1": ("in_progress", None),
        "m1:u1:l2": ("not_started", None),
        "m1:u2:l2": ("not_started", None),
    }
    done, *_, still_open = records
    assert isinstance(done, ModuleProgress) and isinstance(still_open, ModuleProgress)
    assert (done.module_name, done.data_at, done.extra["max"]) == ("Test", at, 20)
    assert still_open.data_at is None
    assert last.complete


async def test_version_1_2_with_its_further_files_and_columns(place: Place) -> None:
    users = (
        "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,"
        "agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,"
        "primaryOrgSourcedId,pronouns\nu1,,,true,anna,,Anna,Ahn,,,anna@example.org,,,,,,M-1,Annie,,,s1,she/her\n"
    )
    results = header("results").strip() + ",textScore,classSourcedId,inProgress,incomplete,late,missing\n"
    results += "r1,,,l1,u1,notSubmitted,,,,,m1,true,false,false,false\n"
    files = BULK | {"users": users, "results": results, "roles": "sourcedId\nx\n", "userProfiles": "sourcedId\n"}
    place.put("1.zip", packed(files, dict.fromkeys(files, "bulk"), "1.2"))
    (anna, ben), _ = await place.read(Stream.ENROLMENTS)
    assert isinstance(anna, Enrolment) and isinstance(ben, Enrolment)
    assert anna.user == User(external_id="u1", email="anna@example.org", name="Annie Ahn", sis_id="M-1")
    assert ben.user == User(external_id="u2"), "nobody says who it is"
    records, _ = await place.read(Stream.PROGRESS)
    assert states(records)["m1:u1:l1"] == ("in_progress", None)
    found = await place.make().check()
    assert [c.state for c in found] == ["ok", "ok"] and "OneRoster 1.2" in found[1].what


async def test_changes_come_after_the_whole_set_and_know_what_it_held(place: Place) -> None:
    place.bulk()
    _, first = await place.read(Stream.ENROLMENTS)
    _, progress = await place.read(Stream.PROGRESS)
    place.delta(
        "2.zip",
        enrollments=header("enrollments") + f"e2,tobedeleted,{LATER},m1,s1,u2,,,,\n"
        f"e3,active,{LATER},m2,s1,u2,student,,,\n",
        results=header("results") + f"r3,active,{LATER},l2,u1,exempt,,,\nr1,tobedeleted,{LATER},l1,u1,,,,\n",
    )
    records, last = await place.read(Stream.ENROLMENTS, first.watermark)
    at = datetime(2026, 11, 5, 8, tzinfo=UTC)
    gone, moved = records
    assert gone == Gone(kind="enrolment", external_id="m1:u2", data_at=at)
    assert isinstance(moved, Enrolment) and moved.user.email == "ben@example.org" and moved.data_at == at
    assert not last.complete, "changes do not say who else is there"

    records, last = await place.read(Stream.PROGRESS, progress.watermark)
    assert states(records) == {"m1:u1:l2": ("completed", None), "m1:u1:l1": ("not_started", None)}
    assert all(isinstance(r, ModuleProgress) and r.data_at == at for r in records)

    for stream in STREAMS:
        assert (await place.read(stream, last.watermark))[0] == []


async def test_a_new_line_item_is_open_for_everybody_and_a_deleted_one_is_gone(place: Place) -> None:
    place.bulk()
    _, last = await place.read(Stream.PROGRESS)
    place.delta(
        "2.zip",
        lineItems=header("lineItems") + f"l3,active,{LATER},Talk,,,,m1,k1,t1,,\nl1,tobedeleted,{LATER},Test,,,,m1,,,,\n"
        f"l2,active,{LATER},Long essay,,,,m1,,,,\n",
        results=header("results") + f"r9,active,{LATER},l2,u1,fully graded,5,,\nr1,active,{LATER},l1,u1,exempt,,,\n",
    )
    records, _ = await place.read(Stream.PROGRESS, last.watermark)
    assert {(r.external_id) for r in records if isinstance(r, Gone)} == {"m1:u1:l1", "m1:u2:l1"}
    assert states(records) == {
        "m1:u1:l2": ("completed", None),
        "m1:u2:l2": ("not_started", None),
        "m1:u1:l3": ("not_started", None),
        "m1:u2:l3": ("not_started", None),
    }


async def test_who_changed_enrolment_within_a_class_stays(place: Place) -> None:
    place.bulk()
    _, last = await place.read(Stream.ENROLMENTS)
    changed = f"e1,tobedeleted,{LATER},m1,s1,u1,student,,,\ne7,active,{LATER},m1,s1,u1,student,,,\n"
    place.delta("2.zip", enrollments=header("enrollments") + changed)
    records, _ = await place.read(Stream.ENROLMENTS, last.watermark)
    assert [type(r) for r in records] == [Enrolment]


async def test_who_became_a_teacher_or_moved_is_no_student_there(place: Place) -> None:
    place.bulk()
    _, last = await place.read(Stream.ENROLMENTS)
    _, progress = await place.read(Stream.PROGRESS)
    changed = f"e1,active,{LATER},m1,s1,u1,teacher,,,\ne2,active,{LATER},m2,s1,u2,student,,,\n"
    place.delta(
        "2.zip",
        enrollments=header("enrollments") + changed + f"e9,active,{LATER},m1,s1,t9,teacher,,,\n",
        lineItems=header("lineItems") + f"l3,active,{LATER},Talk,,,,m1,,,,\n",
    )
    at = datetime(2026, 11, 5, 8, tzinfo=UTC)
    records, last = await place.read(Stream.ENROLMENTS, last.watermark)
    assert [r for r in records if isinstance(r, Gone)] == [
        Gone(kind="enrolment", external_id=f"m1:{who}", data_at=at) for who in ("u1", "u2")
    ]
    assert [r.external_id for r in records if isinstance(r, Enrolment)] == ["m2:u2"]
    records, _ = await place.read(Stream.PROGRESS, progress.watermark)
    assert records == [], "nobody is left in the class for whom its new line item would be open"

    # What was told once is not told again, and who is there by another enrolment stays.
    changed = f"e1,active,{LATER},m1,s1,u1,aide,,,\ne2,active,{LATER},m2,s1,u2,teacher,,,\n"
    place.delta("3.zip", enrollments=header("enrollments") + changed + f"e7,active,{LATER},m2,s1,u2,student,,,\n")
    records, _ = await place.read(Stream.ENROLMENTS, last.watermark)
    assert [type(r) for r in records] == [Enrolment]


async def test_of_two_results_the_one_that_stands_counts(place: Place) -> None:
    second = "r8,,,l1,u1,fully graded,10,2026-09-20,\n"
    place.bulk(results=BULK["results"].replace("r1,", second + "r1,"))
    _, last = await place.read(Stream.PROGRESS)
    place.delta(
        "2.zip",
        results=header("results") + f"r1,tobedeleted,{LATER},l1,u1,,,,\n",
        lineItems=header("lineItems") + f"l1,active,{LATER},Test,,,,m1,,,0,20\n",
    )
    records, last = await place.read(Stream.PROGRESS, last.watermark)
    assert states(records) == {"m1:u1:l1": ("completed", 50.0)}
    place.delta("3.zip", results=header("results") + f"r8,tobedeleted,{LATER},l1,u1,,,,\n")
    records, last = await place.read(Stream.PROGRESS, last.watermark)
    assert states(records) == {"m1:u1:l1": ("not_started", None)}


async def test_a_result_that_is_replaced_counts_in_whatever_order_it_is_told(place: Place) -> None:
    place.bulk()
    _, last = await place.read(Stream.PROGRESS)
    rows = [f"r1,tobedeleted,{LATER},l1,u1,,,,\n", f"r7,active,{LATER},l1,u1,fully graded,20,,\n"]
    for number, order in enumerate((rows, rows[::-1]), 2):
        place.delta(f"{number}.zip", results=header("results") + "".join(order))
        records, last = await place.read(Stream.PROGRESS, last.watermark)
        assert {(m.status, m.score) for m in records if isinstance(m, ModuleProgress)} == {("completed", 100.0)}
    place.bulk("4.zip", results=header("results") + "".join(rows[::-1]))
    records, _ = await place.read(Stream.PROGRESS, last.watermark)
    assert states(records)["m1:u1:l1"] == ("completed", 100.0)


async def test_reading_starts_at_the_last_whole_set(place: Place) -> None:
    place.bulk("1.zip", enrollments=header("enrollments") + "e5,,,m2,s1,u1,student,,,\n")
    place.bulk("2.zip")
    place.delta("3.zip", enrollments=header("enrollments") + f"e3,active,{LATER},m2,s1,u2,student,,,\n")
    records, last = await place.read(Stream.ENROLMENTS)
    assert [r.external_id for r in records if isinstance(r, Enrolment)] == ["m1:u1", "m1:u2", "m2:u2"]
    assert last.complete and set(last.watermark["files"]) == {"1.zip", "2.zip", "3.zip"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
async def test_encodings_and_other_habits_of_exports(place: Place, encoding: str) -> None:
    classes = header("classes").replace("sourcedId,", '"SourcedID",', 1) + "m1,,,Übung,,c1,,,,s1,t1,,,\r\n"
    files = {"Classes": classes.encode(encoding), "courses": BULK["courses"]}
    data = packed(files, {"classes": "bulk", "courses": "bulk"}, folder="export/")
    place.put("habit.ZIP", data)
    records, last = await place.read(Stream.CATALOGUE)
    assert [r.title for r in records if isinstance(r, Course)] == ["Übung"]
    assert last.complete


async def test_files_and_columns_that_are_optional_may_be_missing(place: Place) -> None:
    files = {
        "classes": "sourcedId,title\nm1,Maths\n",
        "enrollments": "sourcedId,classSourcedId,userSourcedId,role\ne1,m1,u1,student\n",
    }
    place.put("1.zip", packed(files, None))
    (course,), last = await place.read(Stream.CATALOGUE)
    assert isinstance(course, Course) and course.title == "Maths" and last.complete
    (enrolment,), last = await place.read(Stream.ENROLMENTS)
    assert isinstance(enrolment, Enrolment) and enrolment.user == User(external_id="u1") and last.complete
    assert (await place.read(Stream.PROGRESS))[0] == []
    found = await place.make().check()
    assert [c.state for c in found] == ["ok", "ok", "warning"]
    assert "without a manifest" in found[1].what and "results.csv" in found[2].what


async def test_rows_that_are_not_understood_are_kept_with_their_place(place: Place) -> None:
    place.bulk(
        enrollments=header("enrollments") + "e1,,,m1,s1,u1,student,,,\ne2,,,m1,s1,,student,,,\n"
        'e3,,,m1,s1,"u2,student,,,\n',
        results=header("results") + "r1,,,l1,u1,fully graded,15,,\nr2,,,nowhere,u2,submitted,,,\n",
    )
    page = await place.make().fetch(Stream.ENROLMENTS, None, Scope(now=NOW))
    assert len(page.records) == 1 and not page.complete
    assert [reason for _, reason in page.rejected] == [
        "1.zip, enrollments.csv, row 3: it does not say who is in which class.",
        "1.zip, enrollments.csv: its quotation marks do not match, or a value is too long.",
    ]
    page = await place.make().fetch(Stream.PROGRESS, None, Scope(now=NOW))
    assert [reason for _, reason in page.rejected] == ["1.zip, results.csv, row 3: its line item is not known."]


def locked() -> bytes:
    """A zip whose files claim to be encrypted."""
    data = bytearray(packed(BULK, None))
    for mark, place_of_flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + place_of_flags] |= 1
            at = data.find(mark, at + 4)
    return bytes(data)


def damaged() -> bytes:
    """A zip with a fault in the middle of a file."""
    data = bytearray(packed({"classes": BULK["classes"] * 50}, None))
    data[80:120] = bytes(40)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not a zip", "no zip file"),
        (packed(BULK, None)[:-30], "no zip file"),
        (packed({"readme": "x"}, None), "none of OneRoster's files"),
        (packed({f"f{n}": "" for n in range(1_001)}, None), "two dozen"),
        (locked(), "encrypted"),
        (damaged(), "damaged"),
        (packed({"classes": ""}, None), "empty"),
        (packed({"courses": BULK["courses"]}, {"classes": "bulk", "courses": "bulk"}), "the manifest names it"),
    ],
)
async def test_a_zip_that_cannot_be_read_does_not_stop_the_next(place: Place, data: bytes, words: str) -> None:
    place.put("1.zip", data)
    page = await place.make().fetch(Stream.CATALOGUE, None, Scope(now=NOW))
    assert words in page.rejected[0][1] and not page.complete and page.next is None
    assert page.watermark is not None and "1.zip" in page.watermark["files"]
    place.delta("2.zip", classes=header("classes") + f"m7,active,{LATER},Maths,,,,,,,,,,\n")
    records, last = await place.read(Stream.CATALOGUE)
    assert [r.external_id for r in records if isinstance(r, Course)] == ["m7"] and not last.complete


async def test_a_bomb_is_not_unpacked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oneroster_zip, "MAX_PARTNER_FILE_BYTES", 100_000)
    place.put("1.zip", packed({"classes": header("classes") + "x" * 200_000}, None))
    page = await place.make().fetch(Stream.CATALOGUE, None, Scope(now=NOW))
    assert "larger than" in page.rejected[0][1]


async def test_a_large_set_goes_on_from_each_place_in_another_process(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oneroster_csv, "_RECORDS_A_PAGE", 7)
    enrolments = "".join(f"e{n},,,m1,s1,s{n:03},student,,,\n" for n in range(40))
    results = "".join(f"r{n},,,l1,s{n:03},fully graded,{n % 21},,\n" for n in range(35))
    place.bulk(enrollments=header("enrollments") + enrolments, results=header("results") + results)
    place.delta("2.zip", enrollments=header("enrollments") + f"e99,active,{LATER},m2,s1,u1,student,,,\n")
    for stream, count in ((Stream.ENROLMENTS, 41), (Stream.PROGRESS, 80)):
        at_once, _ = await place.read(stream)
        found: list[Record] = []
        cursor = None
        while True:
            page = await place.make().fetch(stream, cursor, Scope(now=NOW))
            found += page.records
            if page.next is None:
                break
            cursor = json.loads(json.dumps(page.next))
        assert found == at_once and len(found) == count and page.complete


async def test_a_zip_that_is_replaced_while_it_is_read_is_read_anew(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oneroster_csv, "_RECORDS_A_PAGE", 1)
    place.bulk()
    connector = place.make()
    page = await connector.fetch(Stream.ENROLMENTS, None, Scope(now=NOW))
    place.bulk(enrollments=header("enrollments") + "e5,,,m2,s1,u1,student,,,\n")
    page = await place.make().fetch(Stream.ENROLMENTS, page.next, Scope(now=NOW))
    assert [r.external_id for r in page.records if isinstance(r, Enrolment)] == ["m2:u1"]


async def test_an_empty_place(place: Place) -> None:
    found = await place.make().check()
    assert [c.state for c in found] == ["warning"]
    for stream in STREAMS:
        records, last = await place.read(stream)
        assert records == [] and not last.complete
    place.put("1.zip", b"x")
    assert [c.state for c in await place.make().check()] == ["ok", "failed"]


cells = st.sampled_from([
    "m1", "u1", "l1", "", "student", "tobedeleted", "active", LATER, "99999-01-01", "1e400", '"', "\0", "fully graded", "é", "x" * 50,
])  # fmt: skip
columns = st.sampled_from([
    "sourcedId", "status", "dateLastModified", "title", "classSourcedId", "userSourcedId", "role", "lineItemSourcedId", "studentSourcedId",
    "scoreStatus", "score", "termSourcedIds", "courseSourcedId", "subjects", "resultValueMax", "propertyName", "value", "",
])  # fmt: skip
tables = st.builds(
    lambda names, lines: "\n".join(",".join(cells) for cells in [names, *lines]),
    st.lists(columns, max_size=8),
    st.lists(st.lists(cells, max_size=9), max_size=5),
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    files=st.dictionaries(
        st.sampled_from(["classes", "courses", "academicSessions", "users", "enrollments", "lineItems", "results", "manifest"]),
        tables | st.binary(max_size=60), max_size=6,
    ),
    modes=st.none() | st.dictionaries(st.sampled_from(["classes", "enrollments", "results", "lineItems"]), st.sampled_from(["bulk", "delta", "absent", "?"])),
    stream=st.sampled_from(STREAMS),
)  # fmt: skip
async def test_no_zip_breaks_the_connector(
    place: Place, files: dict[str, Any], modes: dict[str, str] | None, stream: Stream
) -> None:
    if modes is not None:
        files.pop("manifest", None)
    place.put("1.zip", packed(files, modes))
    cursor = None
    for _ in range(5):
        try:
            page = await place.make().fetch(stream, cursor, Scope(now=NOW))
        except PartnerError:
            return
        if page.next is None:
            return
        cursor = json.loads(json.dumps(page.next))
    raise AssertionError("it does not end")
