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


class InvalidInputError(RequestError):
    """Some of the input is not valid."""

    code = "invalid-input"
    status = 422
    hint = "Correct what 'errors' names and send the request again."


class MalformedBodyError(RequestError):
    """The body of the request cannot be read."""

    code = "malformed-body"
    hint = "Send JSON (or multipart for files), with the matching Content-Type."


class MethodNotAllowedError(RequestError):
    """This address does not support that method."""

    code = "method-not-allowed"
    status = 405
    hint = "The Allow header names the methods that it supports."


class TooLargeError(RequestError):
    """The request is larger than the server accepts."""

    code = "too-large"
    status = 413
    hint = "Send less, or split it."


class UnknownHostError(NotFoundError):
    """This server is not set up for that host name."""

    code = "unknown-host"
    hint = (
        "Set COURSEYARD_APP_URL and COURSEYARD_CONTENT_URL to the two addresses that people use; "
        "a proxy in front must pass the Host header on."
    )


class NotSignedInError(RequestError):
    """Sign in first."""

    code = "not-signed-in"
    status = 401
    hint = "Sign in, or send a valid key or token in the Authorization header."


class BadCredentialsError(NotSignedInError):
    """The e-mail or the password is wrong."""

    code = "bad-credentials"
    hint = "Check both, or ask an administrator for a sign-in link."


class LinkSpentError(NotSignedInError):
    """This sign-in link is used, too old, or not complete."""

    code = "link-spent"
    hint = "A sign-in link works once; ask an administrator for a new one."


class ForbiddenError(RequestError):
    """You may not do this."""

    code = "forbidden"
    status = 403
    hint = "Ask an administrator for the role that this needs."


class CrossSiteError(ForbiddenError):
    """The request did not come from a page of this app."""

    code = "cross-site"
    hint = "Open the app and do it there; a program sends an Authorization header instead of a cookie."


class TooManyTriesError(RequestError):
    """Too many tries to sign in."""

    code = "too-many-tries"
    status = 429
    hint = "Wait a quarter of an hour, or ask an administrator for a sign-in link."


class WeakPasswordError(RequestError):
    """The password is too short or too long."""

    code = "weak-password"
    status = 422
    hint = "Choose one of 10 to 200 characters; several words are good."


class ConflictError(RequestError):
    """This conflicts with what is in the database."""

    code = "conflict"
    status = 409
    hint = "Load the page or the record again, and repeat the change."


class UnknownLearnerError(ConflictError):
    """Nobody is known by this e-mail address or identifier, and an account cannot be made from here."""

    code = "unknown-learner"
    hint = (
        "Invite the person in Supabase first, or set COURSEYARD_SUPABASE_URL and "
        "COURSEYARD_SUPABASE_SERVICE_ROLE_KEY so that Courseyard may do it."
    )


class StaleEpochError(ConflictError):
    """The course was opened in another window, which continues the attempt."""

    code = "stale-epoch"
    hint = "Go on in the newer window, or open the course again here."


class AttemptsUsedUpError(ConflictError):
    """No attempt is left for this course."""

    code = "attempts-used-up"
    hint = "Ask your trainer for another attempt. What you reached stays recorded."


class CommitGapError(ConflictError):
    """An earlier part of the learner's data has not arrived yet."""

    code = "commit-gap"
    hint = "Send the parts again in order, beginning with the one that 'expected' names."


class LaunchLinkError(NotSignedInError):
    """This link to a course is too old or not complete."""

    code = "launch-link"
    hint = "Open the course again from the page where you found it."


class PackageInactiveError(ConflictError):
    """This course is not open at present."""

    code = "package-inactive"
    hint = "Ask an administrator to set the package active."


class RunStandsError(ConflictError):
    """Another run of this partner is on."""

    code = "run-stands"
    hint = "Begin it again when that one is done, or cancel that one on its page."


class PrerequisiteOpenError(ConflictError):
    """Another course comes first."""

    code = "prerequisite-open"
    hint = "Complete it first; this course opens as soon as that completion has arrived here."


class PackageNotPlayableError(ConflictError):
    """This package has no files here, so it cannot be played."""

    code = "package-not-playable"
    hint = "Upload the package's zip file in Courseyard."


class PlayerTokenError(NotSignedInError):
    """The course was open for too long without a sign of life."""

    code = "player-token"
    hint = "Open the course again; you go on where you were."


class UnknownActivityError(ConflictError):
    """This part of the course was not opened in this attempt."""

    code = "unknown-activity"
    hint = "Open the course again; you go on where you were."


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


class DatabaseBusyError(SetupError):
    """The database is too busy for this just now."""

    code = "database-busy"
    hint = "Try again in a moment; nothing was changed."


class MigrationError(SetupError):
    """A migration cannot be applied."""

    code = "migration"
    hint = "Run 'courseyard db plan' to see what stands in the way."


class PartnerError(CourseyardError):
    """The partner's system did not do what it was asked."""

    code = "partner"
    status = 502
    hint = "Look at the provider's page: 'Test connection' says what works."
    # Whether the same request may succeed a little later.
    retryable: ClassVar[bool] = False


class PartnerUnreachableError(PartnerError):
    """The partner's system cannot be reached."""

    code = "partner-unreachable"
    hint = "Check the address, and whether the partner's site is up; it is tried again by itself."
    retryable = True


class PartnerBusyError(PartnerError):
    """The partner's system asks for fewer requests."""

    code = "partner-busy"
    hint = "It is tried again later by itself; a lower rate in the provider's settings avoids this."
    retryable = True


class PartnerRefusedError(PartnerError):
    """The partner's system does not accept these credentials for this."""

    code = "partner-refused"
    hint = "Enter new credentials in the provider's settings, or have the partner grant what is missing."


class PartnerAnswerError(PartnerError):
    """The partner's system answered with something that cannot be used."""

    code = "partner-answer"
    hint = "Check that the address is that of the partner's interface, not of its web page."


class PartnerCannotError(PartnerError):
    """Partners of this kind cannot do this."""

    code = "partner-cannot"
    status = 409
    hint = "See on the provider's page what this kind can do."


class RunTakenOverError(CourseyardError):
    """Another worker goes on with this run, or it is over."""

    code = "run-taken-over"
    status = 409
    hint = "See the log of synchronisations for what became of the run."


class BadDeliveryError(RequestError):
    """This delivery is not accepted."""

    code = "bad-delivery"
    status = 401
    hint = "Sign it with the secret of this provider, with a clock that is right, and send it once."


class CredentialsKeyError(SetupError):
    """The credentials of this provider cannot be decrypted."""

    code = "credentials-key"
    hint = "Put the key that they were encrypted with back into COURSEYARD_CREDENTIALS_KEYS, or enter them anew."
