"""A first guess at a column mapping, from headers and sample rows. Pure; a person looks at it before it counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from courseyard.partners import reading
from courseyard.partners.columns import FIELDS, KindMapping, Rule, TableKind
from courseyard.partners.tabular import BadRow, Row

_SAMPLES = 200

# Words that headers use for a field, the likeliest first; compared without case, spaces and marks.
_PERSON = {
    "user_id": "user id,learner id,student id,employee id,person id,account id,user,username,login,employee number",
    "user_email": "email,e mail,email address,user email,learner email,student email,mail,learner.email,user.email",
    "user_name": "name,full name,user name,learner name,student name,learner,student,display name,user.name",
    "user_sis_id": "sis id,sis user id,external user id,idnumber,personnel number",
}
_TIMES = {
    "completed_at": "completed at,completed,completion date,completed on,date completed,finish date,end date",
    "data_at": "updated at,modified at,last modified,last updated,timemodified,date last modified,changed at",
}
_COURSE = (
    "course id,course,course code,course key,course.id,training id,class id,course number,course name,course title"
)
_HEADERS: dict[TableKind, dict[str, str]] = {
    "course": {
        "external_id": "course id,id,course key,external id,identifier,sourcedid,course code,code,course number,sku",
        "title": "title,course title,course name,name,course,fullname,full name",
        "code": "course code,code,short name,shortname,course number,sku,number",
        "description": "description,summary,abstract,about,course description",
        "category": "category,topic,subject,catalog,catalogue,category name",
        "duration_hours": "duration hours,hours,duration h,duration,estimated hours,credit hours",
        "url": "url,link,course url,launch url,enrollment link,web address,homepage",
        "active": "active,is active,visible,published,status,enabled",
        "data_at": _TIMES["data_at"],
    },
    "enrolment": {
        "external_id": "enrollment id,enrolment id,registration id,registration,enrollment.id,id",
        "course": _COURSE,
        **_PERSON,
        "status": "status,enrollment status,enrolment status,completion status,state,course status",
        "progress": "progress,progress percentage,percent complete,completion,progress percent,completion percentage",
        "enrolled_at": "enrolled at,enrollment date,enrolment date,enrolled,enrolled on,registered at,start date",
        **_TIMES,
    },
    "module": {
        "enrolment": "enrollment id,enrolment id,registration id,registration",
        "course": _COURSE,
        "user_id": _PERSON["user_id"],
        "user_email": _PERSON["user_email"],
        "module_id": "module id,lesson id,activity id,item id,unit id,section id,module,lesson,activity,unit,module.id",
        "module_name": "module name,module title,lesson name,lesson title,activity name,item name,module,lesson",
        "status": "status,module status,lesson status,completion status,state",
        "progress": "progress,progress percentage,percent complete,completion,progress percent",
        "score": "score,grade,result,points,mark,score percent,raw score,final score,percentage",
        "time_spent": "time spent,duration,time,seconds,time spent seconds,total time,minutes",
        "started_at": "started at,started,start date,first accessed,started on,date started",
        "last_accessed_at": "last accessed,last access,last activity,last accessed at,last seen",
        **_TIMES,
    },
    "credential": {
        "external_id": "credential id,certificate id,badge id,certificate number,id,serial,serial number,number",
        **_PERSON,
        "name": "credential name,certificate name,badge name,certificate,credential,badge,title,course name",
        "type": "credential type,type,kind",
        "number": "credential number,certificate number,number,serial number,serial",
        "enrolment": "enrollment id,enrolment id,registration id",
        "issued": "issued,issue date,issued date,issued on,issued at,date issued,awarded on,award date",
        "expires": "expires,expiration date,expiry date,valid until,expires on,expires at,expiry",
        "verification_url": "verification url,verify url,verification link,verify",
        "certificate_url": "certificate url,pdf,download,certificate link,link,url",
        "data_at": _TIMES["data_at"],
    },
}
_HIGHEST = "max score,maximum score,max points,points possible,max,out of,maxscore,score max,possible points,max grade"
_LOWEST = "min score,minimum score,min,score min,min grade"

_DAYS = ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y")
_LONG_DAYS = ("%d %B %Y", "%B %d, %Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %I:%M %p")
_FORMATS = tuple(day + clock for day in _DAYS + _LONG_DAYS for clock in _CLOCKS)


def suggest(kind: TableKind, rows: Iterable[Row | BadRow], path: str = "") -> KindMapping:
    """A mapping for one kind, as far as headers and values tell.

    What is ambiguous (a date that may be the fourth of May or the fifth of April) is left for a person: the preview
    then says what is missing.
    """
    samples = [row.values for row in islice(rows, _SAMPLES) if isinstance(row, Row)]
    columns = list(dict.fromkeys(name for values in samples for name in values))
    words = {_squeezed(column): column for column in reversed(columns)}
    fields: dict[str, Rule] = {}
    used: set[str] = set()
    for name, listed in _HEADERS[kind].items():
        column = next((words[w] for word in listed.split(",") if (w := _squeezed(word)) in words), None)
        # One column serves two fields only where nothing says which of both it is.
        if column is None or (column in used and name not in {"title", "name", "module_name", "number", "code"}):
            continue
        used.add(column)
        values = [str(v).strip() for row in samples if (v := row.get(column)) is not None and str(v).strip()]
        fields[name] = _rule(kind, name, column, values, words)
    return KindMapping(fields=fields, path=path)


def _rule(kind: TableKind, name: str, column: str, values: Sequence[str], words: dict[str, str]) -> Rule:
    what = FIELDS[kind][name]
    if what in {"moment", "day"}:
        return Rule(column=column, format=_format(values))
    if what == "seconds":
        word = _squeezed(column)
        unit: Any = "minutes" if "minute" in word or word.endswith("min") else "hours" if "hour" in word else "seconds"
        return Rule(column=column, unit=unit)
    if what == "percent":
        highest = next((words[w] for h in _HIGHEST.split(",") if (w := _squeezed(h)) in words), None)
        if name == "score" and highest:
            lowest = next((words[w] for h in _LOWEST.split(",") if (w := _squeezed(h)) in words), 0)
            return Rule(column=column, scale="points", highest=highest, lowest=lowest)
        numbers = [found for value in values if (found := reading.number(value.replace(",", "."))) is not None]
        fraction = bool(numbers) and max(numbers) <= 1 and any(0 < number < 1 for number in numbers)
        return Rule(column=column, scale="fraction" if fraction else "percent")
    return Rule(column=column)


def _format(values: Sequence[str]) -> str:
    """The one format that fits all values; empty for ISO 8601, and where none or several with other results do."""
    if not values or all(_fits(value, "") for value in values):
        return ""
    if all(re.fullmatch(r"\d{10}|\d{13}", value) for value in values):
        return "unix_ms" if len(values[0]) == 13 else "unix"
    if all(re.fullmatch(r"[2-6]\d{4}(\.\d+)?", value) for value in values):
        return "excel"
    fitting = {how: [_fits(value, how) for value in values] for how in _FORMATS if _fits(values[0], how)}
    whole = {how: tuple(found) for how, found in fitting.items() if all(found)}
    return next(iter(whole)) if len(set(whole.values())) == 1 else ""


def _fits(value: str, how: str) -> datetime | None:
    try:
        return datetime.strptime(value, how) if how else datetime.fromisoformat(value)  # noqa: DTZ007  # only tried
    except ValueError:
        return None


def _squeezed(value: str) -> str:
    return re.sub(r"[\W_]+", "", value).casefold()
