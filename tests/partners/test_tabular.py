"""CSV and JSON of any make become rows; columns become records; a fault costs its own row."""

from __future__ import annotations

from collections import deque
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from courseyard.errors import PartnerAnswerError
from courseyard.partners.columns import FIELDS, KindMapping, Rule, preview, read_mapping, record_of
from courseyard.partners.records import Course, Enrolment, ModuleProgress, User, to_json
from courseyard.partners.suggesting import suggest
from courseyard.partners.tabular import BadRow, Row, array_paths, columns, rows

# The first text of a process takes Hypothesis a second to draw, more on a busy machine.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(data: bytes | str, path: str = ""):
    return list(rows(data.encode() if isinstance(data, str) else data, path))


def values(data: bytes | str, path: str = ""):
    return [row.values for row in read(data, path) if isinstance(row, Row)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_delimiter_encoding_and_line_end(delimiter, encoding, end):
    text = end.join([delimiter.join(["Name", "E-Mail"]), delimiter.join(["Zoë", "z@x.org"]), ""])
    assert values(text.encode(encoding)) == [{"Name": "Zoë", "E-Mail": "z@x.org"}]


def test_values_may_hold_delimiters_quotes_and_line_breaks():
    assert read('a;b\n"x;\ny";"say ""hi"""\n') == [Row(2, {"a": "x;\ny", "b": 'say "hi"'})]


def test_a_comma_in_the_values_does_not_pass_for_the_delimiter():
    assert values("Name;Score\nDoe, Jane;1,5\nRoe, Rick;2,5\n")[0] == {"Name": "Doe, Jane", "Score": "1,5"}


def test_excel_s_line_with_the_delimiter():
    assert read("sep=;\na;b\n1;2\n") == [Row(3, {"a": "1", "b": "2"})]


def test_headers_are_tidied_and_told_apart():
    assert columns("\ufeff  E \t Mail ,Name,Name,,Name\n1,2,3,4,5".encode()) == [
        "E Mail",
        "Name",
        "Name (2)",
        "Column 4",
        "Name (3)",
    ]


def test_short_rows_are_filled_and_long_ones_rejected_with_their_number():
    found = read("a,b\n1\n\n1,2,3\n1,2,,\n")
    assert found[0] == Row(2, {"a": "1", "b": ""})
    assert found[1] == BadRow(4, "1,2,3", "it has 3 values, the header has 2")
    assert found[2] == Row(5, {"a": "1", "b": "2"})


def test_a_quotation_mark_that_is_never_closed_costs_its_own_row():
    found = read('a,b\n1,2\n3,"open\n' + "5,6\n" * 1_000)
    assert [row.number for row in found if isinstance(row, BadRow)] == [3]
    assert len(found) == 1_002


def test_a_million_rows_are_streamed():
    data = b"id,email\n" + b"".join(b"%d,learner%d@example.org\n" % (n, n) for n in range(1_000_000))
    (last,) = deque(rows(data), maxlen=1)
    assert last == Row(1_000_001, {"id": "999999", "email": "learner999999@example.org"})


def test_json_array_lines_object_and_path():
    assert values('[{"a": 1}, {"a": {"b": [1, 2]}}]') == [{"a": 1}, {"a.b": "1, 2"}]
    assert read('{"a": 1}\n\n{"a": 2}\n')[1] == Row(3, {"a": 2})
    assert values('{\n "a": 1\n}') == [{"a": 1}]
    document = '{"x": [1, {}], "result": {"total": 1, "items": [{"a": 1}]}}'
    assert values(document, "result.items") == [{"a": 1}]
    assert array_paths(document.encode()) == ["result.items"]
    assert array_paths(b'{"a": 1}\n{"a": 2}\n') == []
    assert values('[{"a": "ü"}]'.encode("utf-16")) == [{"a": "ü"}]


def test_what_comes_before_a_fault_in_json_counts():
    found = read('[{"a": 1}, 7, {"a": NaN}, {"a": ')
    assert found[0] == Row(1, {"a": 1})
    assert [row.number for row in found if isinstance(row, BadRow)] == [2, 4]
    assert [type(row) for row in read('{"a": 1}\n{"a": \n{"a": 3}')] == [Row, BadRow, Row]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xff\xfe", b'{"a": ', b"PK\x03\x04xl/", b" <!DOCTYPE html>"])
def test_what_is_no_table_is_told(data):
    with pytest.raises(PartnerAnswerError):
        read(data)


def test_a_path_that_leads_nowhere_is_told():
    with pytest.raises(PartnerAnswerError, match=r"no 'a\.b'"):
        read('{"a": {"c": []}}', "a.b")


@patient
@given(
    st.binary(max_size=300) | st.text(alphabet='[]{}",:\n;ab1 \\u\0', max_size=200).map(str.encode),
    st.sampled_from(["", "a", "a.b"]),
)
@example(b"[" * 100_000, "")
@example(b'{"a":' * 100_000, "a.b")
@example(b'[{"a": ' + b"9" * 10_000 + b"}]", "")
@example(b'"' * 200_000, "")
@example(b'[{"a": "\\ud800"}]', "")
def test_no_content_breaks_the_reading(data, path):
    try:
        for row in rows(data, path):
            assert isinstance(row, Row | BadRow)
    except PartnerAnswerError:
        pass


# Columns to records


def enrolment(**rules):
    return KindMapping({"course": Rule("c"), "user_id": Rule("u"), **rules})


def of(row, **rules):
    return record_of("enrolment", enrolment(**rules), {"c": "7", "u": "u1", **row})


def test_an_enrolment_without_a_key_is_known_by_course_and_person():
    assert of({}).external_id == "7:u1"
    assert of({"k": "a", "l": "b"}, external_id=Rule(template="{k}-{l}!")).external_id == "a-b!"
    assert of({"k": "a", "l": ""}, external_id=Rule(template="{k}-{l}")).external_id == "7:u1"


def test_an_e_mail_address_alone_is_a_person():
    mapping = KindMapping({"course": Rule(constant="7"), "user_email": Rule("m")})
    record = record_of("enrolment", mapping, {"m": " Ada@Example.org "})
    assert record.user == User(external_id="ada@example.org", email="Ada@Example.org")


@pytest.mark.parametrize(
    ("told", "ours"),
    [("In Progress", "active"), ("COMPLETE", "completed"), ("not-passed", "failed"), ("Erledigt!", "completed")],
)
def test_statuses_in_the_partner_s_words(told, ours):
    assert of({"s": told}, status=Rule("s", values={"erledigt": "completed"})).status == ours


def test_a_completion_date_without_a_status_completes():
    assert of({"d": "2026-11-20"}, completed_at=Rule("d")).status == "completed"


@pytest.mark.parametrize(
    ("told", "rule", "found"),
    [
        ("85", {}, 85),
        ("85,5 %", {}, 85.5),
        (0.855, {"scale": "fraction"}, 85.5),
        ("45 %", {"scale": "fraction"}, 45),
        ("17", {"scale": "points", "highest": "max"}, 85),
        ("1.250,5", {"scale": "points", "highest": 2501.0}, 50),
        (3, {"scale": "points", "lowest": 1.0, "highest": 5.0}, 50),
    ],
)
def test_percentages_however_told(told, rule, found):
    assert of({"p": told, "max": "20"}, progress=Rule("p", **rule)).progress == pytest.approx(found)


@pytest.mark.parametrize(
    ("told", "rule", "found"),
    [
        ("2026-11-20T10:00:00+02:00", {}, datetime(2026, 11, 20, 8, tzinfo=UTC)),
        (
            "20.11.2026 10:00",
            {"format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
            datetime(2026, 11, 20, 9, tzinfo=UTC),
        ),
        ("46346.5", {"format": "excel"}, datetime(2026, 11, 20, 12, tzinfo=UTC)),
        (1795176000, {"format": "unix"}, datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("1795176000000", {"format": "unix_ms"}, datetime(2026, 11, 20, 12, tzinfo=UTC)),
    ],
)
def test_dates_however_told(told, rule, found):
    assert of({"d": told}, enrolled_at=Rule("d", **rule)).enrolled_at == found


@pytest.mark.parametrize(
    ("told", "unit", "seconds"),
    [
        ("90", "seconds", 90),
        ("1,5", "minutes", 90),
        ("1:01:30", "seconds", 3690),
        ("PT1M30.4S", "seconds", 90),
        ("2:30", "hours", 9000),
    ],
)
def test_durations_however_told(told, unit, seconds):
    mapping = KindMapping({"enrolment": Rule("e"), "module_id": Rule("m"), "time_spent": Rule("t", unit=unit)})
    assert record_of("module", mapping, {"e": "1", "m": "2", "t": told}).time_spent_seconds == seconds


def test_raw_points_and_further_columns_are_kept():
    mapping = KindMapping(
        {"enrolment": Rule("e"), "module_id": Rule("m"), "score": Rule("s", scale="points", highest="max")}, ["Room"]
    )
    record = record_of("module", mapping, {"e": "1", "m": "2", "s": "17", "max": "20", "Room": "B 12"})
    assert isinstance(record, ModuleProgress)
    assert (record.score, record.extra) == (85, {"Room": "B 12", "raw": 17, "min": 0, "max": 20})


def test_credentials_and_their_days():
    mapping = read_mapping(
        {"credential": {"fields": {"external_id": {"column": "n"}, "user_id": {"column": "u"}, "name": {"constant": "Driver"},
                                   "issued": {"column": "i", "format": "%d.%m.%Y", "zone": "Asia/Tokyo"}}}}
    )  # fmt: skip
    record = record_of("credential", mapping["credential"], {"n": 1, "u": 2, "i": "20.11.2026"})
    assert (record.external_id, record.issued) == ("1", date(2026, 11, 20))


@pytest.mark.parametrize(
    ("row", "rules", "words"),
    [
        ({"c": ""}, {}, "course is empty"),
        ({"u": ""}, {}, "whose"),
        ({"s": "huh"}, {"status": Rule("s")}, "status: 'huh' is no status"),
        ({"p": "640"}, {"progress": Rule("p")}, "is the scale right"),
        ({"p": "nan"}, {"progress": Rule("p")}, "no number"),
        ({"p": 5}, {"progress": Rule("p", scale="points", highest="max")}, "highest"),
        ({"d": "20.11.2026"}, {"enrolled_at": Rule("d")}, "choose its format"),
        ({"d": "31.02.2026"}, {"enrolled_at": Rule("d", format="%d.%m.%Y")}, "of the format"),
        ({"d": "0001-01-01T00:00:00+14:00"}, {"enrolled_at": Rule("d")}, "calendars"),
    ],
)
def test_what_a_row_lacks_is_said(row, rules, words):
    with pytest.raises(ValueError, match=words):
        of(row, **rules)


def test_web_addresses_are_web_addresses():
    mapping = KindMapping({"external_id": Rule("i"), "title": Rule("i"), "url": Rule("l")})
    with pytest.raises(ValueError, match="no web address"):
        record_of("course", mapping, {"i": "1", "l": "javascript:alert(1)"})
    assert isinstance(record_of("course", mapping, {"i": "1", "l": "https://x.org/1"}), Course)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "not set up"),
        ({"grade": {}}, "not set up"),
        ({"course": {"fields": {"external_id": {"column": "a"}}}}, "title is missing"),
        ({"module": {"fields": {"course": {"column": "a"}, "module_id": {"column": "a"}}}}, "user_email is missing"),
        ({"course": {"fields": {"external_id": {"column": "a", "template": "b"}, "title": {"column": "a"}}}}, "only one"),
        ({"course": {"fields": {"external_id": {"column": "a"}, "title": {"column": "a"}, "x": {"column": "a"}}}}, "no field x"),
        ({"enrolment": {"fields": {"status": {"column": "a", "values": {"x": "great"}}}}}, "knows no great"),
        ({"enrolment": {"fields": {"enrolled_at": {"column": "a", "zone": "Mars/North"}}}}, "no time zone Mars/North"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_work_is_refused_with_the_reason(document, words):
    with pytest.raises(PartnerAnswerError, match=words):
        read_mapping(document)


def test_a_mapping_is_suggested_from_headers_and_values():
    table = (
        b"Course ID;User ID;E-Mail;Name;Completion Status;Progress;Start Date;Completion Date\n"
        b"7;u1;a@x.org;Ada;Completed;100 %;01.11.2026;20.11.2026 10:30\n"
        b"7;u2;b@x.org;Bob;Started;85,5;01.11.2026;\n"
    )
    mapping = suggest("enrolment", rows(table))
    first, second = preview("enrolment", mapping, rows(table))
    assert first.record == Enrolment(
        external_id="7:u1",
        course="7",
        user=User(external_id="u1", email="a@x.org", name="Ada"),
        status="completed",
        progress=100,
        enrolled_at=datetime(2026, 11, 1, tzinfo=UTC),
        completed_at=datetime(2026, 11, 20, 10, 30, tzinfo=UTC),
    )
    assert isinstance(second.record, Enrolment) and second.record.progress == 85.5


def test_points_fractions_and_units_are_suggested():
    points = suggest("module", rows(b"registration,Lesson,Grade,Max score,Time (minutes)\nr,l,17,20,12\n"))
    assert points.fields["score"] == Rule("Grade", scale="points", highest="Max score")
    fractions = suggest("enrolment", rows(b"course,user,progress\n1,2,0.5\n1,3,1\n"))
    assert fractions.fields["progress"].scale == "fraction"
    assert suggest("module", rows(b"lesson,minutes\n1,2\n")).fields["time_spent"].unit == "minutes"


def test_a_date_that_may_mean_two_days_is_left_to_a_person():
    ambiguous = b"course,user,start date\n1,2,04/05/2026\n"
    mapping = suggest("enrolment", rows(ambiguous))
    assert mapping.fields["enrolled_at"].format == ""
    assert "choose its format" in preview("enrolment", mapping, rows(ambiguous))[0].problem
    plain = suggest("enrolment", rows(b"course,user,start date\n1,2,04/05/2026\n1,3,04/25/2026\n"))
    assert plain.fields["enrolled_at"].format == "%m/%d/%Y"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(
    ["completed", "2026-11-20", "20.11.2026", "99999-01-01", "1e400", "-5", "\ud800", "\0", "inf", "PT1H", "1:2:3:4"]
)  # fmt: skip


@patient
@given(
    kind=st.sampled_from(sorted(FIELDS)),
    row=st.dictionaries(st.sampled_from("abcd"), SCALARS),
    data=st.data(),
)
def test_no_value_breaks_a_translation(kind, row, data):
    rule = st.builds(
        Rule,
        column=st.sampled_from("abcd"),
        format=st.sampled_from(["", "unix", "unix_ms", "excel", "%d.%m.%Y"]),
        scale=st.sampled_from(["percent", "fraction", "points"]),
        highest=st.sampled_from(["a", 20.0]),
        unit=st.sampled_from(["seconds", "hours"]),
    )
    mapping = KindMapping({name: data.draw(rule) for name in FIELDS[kind]}, ["a"])
    try:
        record = record_of(kind, mapping, row)
    except ValueError:
        return
    assert to_json(record)["record"] == kind


@patient
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["Status", "progress", "Start date", "time", "score", "max"]), SCALARS),
        max_size=5,
    )
)
def test_a_suggestion_is_made_of_anything(table):
    for kind in FIELDS:
        suggest(kind, [Row(number, row) for number, row in enumerate(table)])
