"""What every request handler works with: the services of the process, and who is calling."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.requests import HTTPConnection

from courseyard.db import Database
from courseyard.errors import NotSignedInError
from courseyard.partners.hub import Hub
from courseyard.people import AccessTokens, Accounts, Caller, Directory, Identity
from courseyard.web.origins import Origins
from courseyard.web.ports import Courses, Packages
from courseyard.web.security import session_cookie_name

_UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class Services:
    """Built once by the composition root; handlers take it from the application's state."""

    origins: Origins
    db: Database
    accounts: Accounts
    directory: Directory
    identity: Identity
    access_tokens: AccessTokens
    packages: Packages
    courses: Courses
    upload_folder: Path
    hub: Hub


def services(connection: HTTPConnection) -> Services:
    """The services of the application that serves this request."""
    found: Services = connection.app.state.services
    return found


def session_token(connection: HTTPConnection) -> str:
    """The session cookie's value, empty when there is none."""
    return connection.cookies.get(session_cookie_name(services(connection).origins.app), "")


async def find_caller(connection: HTTPConnection) -> Caller | None:
    """Who is calling: by the Authorization header if there is one, else by the session cookie.

    Raises:
        NotSignedInError: there is an Authorization header, and it is not good.
    """
    known = getattr(connection.state, "caller", _UNKNOWN)
    if known is _UNKNOWN:
        known = await _look_up(connection)
        connection.state.caller = known
    return known  # type: ignore[return-value]  # Caller or None: only this function sets it


async def require_caller(connection: HTTPConnection) -> Caller:
    """Who is calling.

    Raises:
        NotSignedInError: nobody who is known.
    """
    caller = await find_caller(connection)
    if caller is None:
        raise NotSignedInError
    return caller


async def require_person(connection: HTTPConnection) -> Caller:
    """The person who is calling: pages are for people.

    Raises:
        NotSignedInError: nobody who is known, or the service.
    """
    caller = await require_caller(connection)
    if caller.profile_id is None:
        raise NotSignedInError("Pages are for people; the service key opens the REST interface.")
    return caller


def client_address(connection: HTTPConnection) -> str:
    """The caller's network address, as far as trusted proxies tell it."""
    return connection.client.host if connection.client else "unknown"


async def _look_up(connection: HTTPConnection) -> Caller | None:
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotSignedInError("The Authorization header has no bearer token.")
        return await services(connection).identity.of_bearer(token.strip())
    token = session_token(connection)
    return await services(connection).accounts.caller_of_session(token) if token else None
