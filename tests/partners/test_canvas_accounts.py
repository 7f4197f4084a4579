"""Accounts, enrolling, ending and opening courses in a Canvas."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_canvas import ISAAC
from partners.standins.canvas import School

from courseyard.errors import PartnerAnswerError, PartnerCannotError, PartnerRefusedError
from courseyard.partners.connector import Connector, Person

pytestmark = pytest.mark.anyio


async def test_people_are_found_by_id_then_sis_id_then_mail(school: School, canvas: Callable[..., Connector]) -> None:
    assert await canvas().find_users(Person("x", "Isaac@Example.org", "")) == [ISAAC]
    assert (await canvas().find_users(Person("S-12", "isaac@example.org", "")))[0].external_id == "12"
    assert (await canvas().find_users(Person("S-12", None, "", "13")))[0].external_id == "13"
    assert await canvas().find_users(Person("x", "saac@example.org", "")) == []
    assert await canvas().find_users(Person("x", None, "")) == []
    school.lacks.add("read_sis")
    assert await canvas().find_users(Person("S-12", "isaac@example.org", "")) == [ISAAC]


async def test_an_account_is_made_once(school: School, canvas: Callable[..., Connector]) -> None:
    person = Person("P-77", "new@example.org", "New Person")
    made = await canvas().make_user(person)
    assert await canvas().make_user(person) == made
    assert (made.email, made.name, made.sis_id) == ("new@example.org", "New Person", "P-77") and len(school.users) == 6
    with pytest.raises(PartnerCannotError, match="e-mail"):
        await canvas().make_user(Person("x", None, "Anna"))
    school.users[88] = {"id": 88, "name": "Hidden", "login_id": "taken@example.org"}
    school.users[89] = {"id": 89, "name": "Second", "login_id": "x", "email": "taken@example.org"}
    with pytest.raises(PartnerCannotError, match="2 accounts"):
        await canvas().make_user(Person("x", "taken@example.org", "Anna"))


async def test_what_canvas_says_to_a_refused_account_is_told(school: School, canvas: Callable[..., Connector]) -> None:
    # Of another account of the same Canvas, so that looking here does not find it.
    school.users[88] = {"id": 88, "name": "Other", "login_id": "other@example.org", "elsewhere": True}
    with pytest.raises(PartnerAnswerError, match="ID already in use"):
        await canvas().make_user(Person("x", "other@example.org", "Anna"))
    school.lacks.add("manage_user_logins")
    with pytest.raises(PartnerRefusedError, match="not authorized"):
        await canvas().make_user(Person("x", "another@example.org", "Anna"))


async def test_enrolling_and_ending_twice(school: School, canvas: Callable[..., Connector]) -> None:
    first = await canvas().enrol(ISAAC, "22")
    assert await canvas().enrol(ISAAC, "22") == first
    assert first.external_id == "22:11" and first.user == ISAAC
    assert len([e for e in school.enrolments if e["course_id"] == 22]) == 2
    for _ in range(2):
        await canvas().withdraw("22:11", ISAAC, "22")
    assert school.enrolments[-1]["enrollment_state"] == "inactive"
    await canvas().enrol(ISAAC, "22")
    assert school.enrolments[-1]["enrollment_state"] == "active"
    with pytest.raises(PartnerAnswerError, match="does not exist"):
        await canvas().enrol(ISAAC, "99")


async def test_launch_opens_the_course(canvas: Callable[..., Connector]) -> None:
    assert (await canvas().launch_url("21:11", ISAAC, "21", None)).endswith("/courses/21")
