"""Every error of the product: a stable code, an HTTP status, a title and a hint.

The class docstring is the title that people read. A subclass belongs to whoever is at fault:
the caller (``RequestError``), the content (``ContentError``), the installation (``SetupError``)
or a partner system (``PartnerError``). ``docs/errors.md`` lists them all; a test keeps it complete.
"""

from __future__ import annotations

from typing import Any, ClassVar


class CourseyardError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    hint: ClassVar[str] = "Try again; if it stays, look into the server's log."

    def __init__(self, detail: str = "", *, hint: str | None = None, **extra: Any) -> None:
        """Keep the sentence for people in ``detail`` and machine-readable facts in ``extra``."""
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.advice = hint or self.hint
        self.extra = extra

    @property
    def title(self) -> str:
        """The first line of the class docstring."""
        return (self.__class__.__doc__ or "").strip().splitlines()[0]


class RequestError(CourseyardError):
    """The request cannot be carried out as it was made."""

    code = "bad-request"
    status = 400
    hint = "Correct the request and send it again."


class NotFoundError(RequestError):
    """There is no such thing here."""

    code = "not-found"
    status = 404
    hint = "Check the address or the identifier; it may have been deleted."


class NotSignedInError(RequestError):
    """Sign in first."""

    code = "not-signed-in"
    status = 401
    hint = "Sign in, or send a valid key or token in the Authorization header."


class ForbiddenError(RequestError):
    """You may not do this."""

    code = "forbidden"
    status = 403
    hint = "Ask an administrator for the role that this needs."


class ConflictError(RequestError):
    """This contradicts what stands in the database."""

    code = "conflict"
    status = 409
    hint = "Load the current state and try again."


class StaleEpochError(ConflictError):
    """The course was opened in another window, which continues the attempt."""

    code = "stale-epoch"
    hint = "Go on in the newer window, or open the course again here."


class ContentError(CourseyardError):
    """The package cannot be used."""

    code = "bad-package"
    status = 422
    hint = "Correct what the findings name and upload the package again."


class SetupError(CourseyardError):
    """The installation is not ready."""

    code = "setup"
    status = 503
    hint = "Run 'courseyard doctor' for what is missing."


class DatabaseUnreachableError(SetupError):
    """The database cannot be reached."""

    code = "database-unreachable"
    hint = "Check COURSEYARD_DATABASE_URL and that the server is running; try again in a moment."
