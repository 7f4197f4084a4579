"""The people of an installation: finding and making learners and staff, their roles and accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from courseyard.db import Database
from courseyard.errors import InvalidInputError, NotFoundError
from courseyard.people.caller import ROLES, Caller
from courseyard.people.supabase import SupabaseAdmin


@dataclass(frozen=True, slots=True)
class NewLearner:
    """What a caller knows of a learner; ``external_id`` is the caller's own identifier, any string."""

    email: str
    external_id: str | None = None
    name: str | None = None


class Directory:
    """Finds, makes and changes people. Who may do so is decided by the caller's role before."""

    def __init__(self, db: Database, supabase: SupabaseAdmin) -> None:
        """``supabase`` makes users where profiles hang on ``auth.users``."""
        self._db = db
        self._supabase = supabase

    async def learner(self, learner: NewLearner) -> str:
        """The profile of a learner, made if nobody is known by the identifier or else by the e-mail.

        Raises:
            UnknownLearnerError: unknown, and this is a Supabase project where we cannot make users.
            SetupError: Supabase does not answer or does not accept our key.
        """
        hangs = await self._db.one("people.profiles_hang_on_auth")
        may_make = not (hangs and hangs["hangs"])
        row = await self._learner(learner, make=may_make)
        if row is None:
            user = await self._supabase.create_user(learner.email, learner.name)
            row = await self._learner(learner, make=False, profile_id=user)
        if row is None:
            raise NotFoundError(f"The learner {learner.email} cannot be found.")
        return str(row["profile_id"])

    async def make_person(self, email: str, name: str | None, role: str) -> str:
        """A person with a local account that a sign-in link opens; one who exists gets account and role."""
        _check_role(role)
        profile_id = await self.learner(NewLearner(email=email, name=name))
        await self._db.run("people.set_role", profile_id=profile_id, role=role)
        await self._db.run("people.make_account", profile_id=profile_id, email=email)
        return profile_id

    async def set_role(self, caller: Caller, profile_id: str, role: str) -> None:
        """Change what a person may do.

        Raises:
            InvalidInputError: no such role, or administrators taking the role from themselves.
            NotFoundError: no such person.
        """
        _check_role(role)
        if caller.profile_id == profile_id and role != "admin":
            raise InvalidInputError(
                "You cannot take the administrator's role from yourself.",
                hint="Let another administrator do it, so that one always remains.",
            )
        if await self._db.one("people.set_role", profile_id=profile_id, role=role) is None:
            raise NotFoundError("There is no such person.")

    async def person(self, profile_id: str) -> dict[str, Any]:
        """One person who may sign in.

        Raises:
            NotFoundError: no such person, or the account is disabled.
        """
        row = await self._db.one("people.person", profile_id=profile_id)
        if row is None:
            raise NotFoundError("There is no such person.")
        return row

    async def ensure_account(self, profile_id: str) -> None:
        """Give a known person an account, so that a link or a password can sign them in."""
        person = await self.person(profile_id)
        if person["email"]:
            await self._db.run("people.make_account", profile_id=profile_id, email=person["email"])

    async def people(self, search: str | None, limit: int, offset: int) -> list[dict[str, Any]]:
        """A page of people by name; each row also carries the ``total``."""
        pattern = f"%{_escape_like(search)}%" if search else None
        return await self._db.all("people.list_people", search=pattern, limit=limit, offset=offset)

    async def _learner(
        self, learner: NewLearner, *, make: bool, profile_id: str | None = None
    ) -> dict[str, Any] | None:
        return await self._db.one(
            "people.learner",
            external_id=learner.external_id,
            email=learner.email,
            full_name=learner.name,
            make=make,
            profile_id=profile_id,
        )


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InvalidInputError(f"There is no role '{role}'.", hint=f"Choose one of {', '.join(ROLES)}.")


def _escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
