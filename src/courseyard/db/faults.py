"""What PostgreSQL refuses, in the product's words: constraint names and error codes become domain errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg

from courseyard.errors import (
    ConflictError,
    CourseyardError,
    DatabaseBusyError,
    DatabaseUnreachableError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RunTakenOverError,
    SetupError,
    StaleEpochError,
)

# Raised by our own SQL functions: raise exception … using errcode = 'CY…'.
_OWN_CODES: dict[str, type[CourseyardError]] = {
    "CY403": ForbiddenError,
    "CY404": NotFoundError,
    "CY409": ConflictError,
    "CY410": StaleEpochError,
    "CY411": RunTakenOverError,
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
    "partner_course_mappings_partner_course_id_fkey": (NotFoundError, "There is no such course of a partner."),
    "partner_course_mappings_internal_program_id_fkey": (NotFoundError, "There is no such program."),
    "partner_course_mappings_internal_course_id_fkey": (NotFoundError, "There is no such course."),
    "partner_course_mappings_scorm_package_id_fkey": (NotFoundError, "There is no such package."),
}


# Values that came in from outside and that PostgreSQL cannot read: text with a NUL, a bad uuid, a number too large.
_BAD_VALUES = (
    pg.CharacterNotInRepertoire,
    pg.DatetimeFieldOverflow,
    pg.InvalidDatetimeFormat,
    pg.InvalidTextRepresentation,
    pg.NumericValueOutOfRange,
    pg.UntranslatableCharacter,
)

# Others are working on the same rows, or the server has no room at the moment: the same request may do later.
_BUSY = (
    pg.DeadlockDetected,
    pg.InsufficientResources,
    pg.LockNotAvailable,
    pg.QueryCanceled,
    pg.SerializationFailure,
)


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
    if isinstance(error, psycopg.IntegrityError | pg.RaiseException) or type(error) is psycopg.DatabaseError:
        # The last: a code that the driver does not know is one of somebody's own triggers.
        # A rule of the organisation's own on one of its tables; a constraint's primary message holds no values.
        return ConflictError(f"The database refuses this: {error.diag.message_primary}.")
    if isinstance(error, pg.ProgramLimitExceeded):
        return InvalidInputError(f"A value is too long for what the database can index: {error.diag.message_primary}.")
    if isinstance(error, pg.StringDataRightTruncation):
        return InvalidInputError(f"A value is too long for its column: {error.diag.message_primary}.")
    if isinstance(error, _BAD_VALUES) or (isinstance(error, psycopg.DataError) and error.sqlstate is None):
        return InvalidInputError("A value is not of the kind that the database keeps there.")
    if not isinstance(error, psycopg.OperationalError) and _of_their_own(error):
        return ConflictError(f"The database refuses this: {error.diag.message_primary}.")
    if isinstance(error, pg.UndefinedTable | pg.InvalidSchemaName | pg.UndefinedFunction):
        return SetupError(
            f"The database lacks something that Courseyard needs: {error.diag.message_primary}.",
            hint="Run 'courseyard db plan' to see what is missing and 'courseyard db apply' to create it.",
        )
    if isinstance(error, pg.InsufficientPrivilege):
        return ForbiddenError(error.diag.message_primary or "")
    if isinstance(error, pg.ReadOnlySqlTransaction | pg.DiskFull):
        return SetupError(
            "The database takes no writes just now (a replica, or a full disk).",
            hint="Check the disk of the database server, and that COURSEYARD_DATABASE_URL names the primary.",
        )
    if isinstance(error, _BUSY):
        return DatabaseBusyError()
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return DatabaseUnreachableError()
    return None


def _of_their_own(error: psycopg.Error) -> bool:
    """Whether it went wrong in a function that is not ours: in one of the organisation's own triggers."""
    innermost = re.search(r"\bfunction ([^\s(]+)\(", error.diag.context or "")
    return innermost is not None and not innermost[1].startswith(("courseyard.", "jobs.", "pg_catalog."))
