"""What PostgreSQL refuses, in the product's words: constraint names and error codes become domain errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg

from courseyard.errors import (
    ConflictError,
    CourseyardError,
    DatabaseUnreachableError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    SetupError,
    StaleEpochError,
)

# Raised by our own SQL functions: raise exception … using errcode = 'CY…'.
_OWN_CODES: dict[str, type[CourseyardError]] = {
    "CY403": ForbiddenError,
    "CY404": NotFoundError,
    "CY409": ConflictError,
    "CY410": StaleEpochError,
    "CY422": InvalidInputError,
}

_CONSTRAINTS: dict[str, tuple[type[CourseyardError], str]] = {
    "learners_external_id_key": (ConflictError, "Another learner has this identifier already."),
    "accounts_email_key": (ConflictError, "Another account has this e-mail address already."),
    "profiles_email_key": (ConflictError, "Another person has this e-mail address already."),
    "package_versions_package_fkey": (NotFoundError, "The package was deleted in the meantime."),
    "package_versions_number_key": (ConflictError, "Another version of this package was uploaded at the same time."),
    "scorm_enrollments_scorm_package_id_fkey": (NotFoundError, "There is no such package."),
    "scorm_enrollments_user_id_fkey": (NotFoundError, "There is no such learner."),
}


@contextmanager
def domain_errors() -> Iterator[None]:
    """Turn what the driver raises into errors of the catalogue; what is our own mistake passes as it is."""
    try:
        yield
    except psycopg.Error as error:
        known = as_domain_error(error)
        if known is None:
            raise
        raise known from error


def as_domain_error(error: psycopg.Error) -> CourseyardError | None:
    """The error of the catalogue that this one means, if it is not a mistake in our SQL."""
    if error.sqlstate in _OWN_CODES:
        return _OWN_CODES[error.sqlstate](error.diag.message_primary or "")
    constraint = error.diag.constraint_name
    if constraint in _CONSTRAINTS:
        kind, words = _CONSTRAINTS[constraint]
        return kind(words)
    if isinstance(error, pg.UndefinedTable | pg.InvalidSchemaName | pg.UndefinedFunction):
        return SetupError(
            "The database lacks tables or functions that Courseyard needs.",
            hint="Run 'courseyard db plan' to see what is missing and 'courseyard db apply' to create it.",
        )
    if isinstance(error, pg.InsufficientPrivilege):
        return ForbiddenError(error.diag.message_primary or "")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not isinstance(
        error, pg.QueryCanceled
    ):
        return DatabaseUnreachableError()
    return None
