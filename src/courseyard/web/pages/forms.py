"""Reading forms: text as typed, numbers, check boxes, page numbers; a mistake is told in the page."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData
from starlette.requests import Request

from courseyard.errors import InvalidInputError, NotFoundError
from courseyard.limits import PAGE_SIZE
from courseyard.web.problems import plain_words

Model = TypeVar("Model", bound=BaseModel)

_LAST_PAGE = 1_000_000


def text(form: FormData, name: str) -> str:
    """A field's text without the spaces around it; empty when absent."""
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def optional(form: FormData, name: str) -> str | None:
    """A field's text, None when left empty."""
    return text(form, name) or None


def whole_number(form: FormData, name: str, label: str) -> int | None:
    """A whole number, None when left empty.

    Raises:
        InvalidInputError: something else was typed.
    """
    value = text(form, name)
    if not value:
        return None
    if not value.isascii() or not value.lstrip("-").isdecimal() or len(value) > 12:
        raise InvalidInputError(f"{label}: '{value[:50]}' is not a whole number.", hint="Type digits only, or nothing.")
    return int(value)


def ticked(form: FormData, name: str) -> bool:
    """Whether a box is ticked."""
    return name in form


def path_id(request: Request, name: str = "id") -> str:
    """An identifier of the address.

    Raises:
        NotFoundError: it cannot be one of ours.
    """
    try:
        return str(UUID(request.path_params[name]))
    except ValueError as error:
        raise NotFoundError from error


def query_id(request: Request, name: str) -> str | None:
    """An identifier in the query, None when absent.

    Raises:
        NotFoundError: it cannot be one of ours.
    """
    value = request.query_params.get(name)
    if not value:
        return None
    try:
        return str(UUID(value))
    except ValueError as error:
        raise NotFoundError from error


def an_id(value: str, label: str) -> str:
    """An identifier that a form brought.

    Raises:
        InvalidInputError: it cannot be one of ours.
    """
    try:
        return str(UUID(value.strip()))
    except ValueError as error:
        raise InvalidInputError(f"{label}: nothing, or something that is not known here, is chosen.") from error


def form_id(form: FormData, name: str, label: str) -> str:
    """An identifier in a field.

    Raises:
        InvalidInputError: it cannot be one of ours.
    """
    return an_id(text(form, name), label)


def optional_form_id(form: FormData, name: str, label: str) -> str | None:
    """An identifier in a field, None when left empty.

    Raises:
        InvalidInputError: it cannot be one of ours.
    """
    return form_id(form, name, label) if text(form, name) else None


def ids(form: FormData, name: str) -> list[str]:
    """The identifiers of all ticked boxes of a name.

    Raises:
        InvalidInputError: one cannot be one of ours.
    """
    return [an_id(value, "Choice") for value in form.getlist(name) if isinstance(value, str)]


def query_of(request: Request, *names: str) -> str:
    """The filters of a list as a query to put behind a page number; empty when none is set."""
    kept = [(name, value) for name in names if (value := request.query_params.get(name, "").replace("\0", "")[:200])]
    return f"&{urlencode(kept)}" if kept else ""


def search_of(request: Request) -> str | None:
    """What is searched for, None for everything."""
    return request.query_params.get("q", "").replace("\0", "").strip()[:200] or None


def page_of(request: Request) -> int:
    """The number of the wanted page of a list, from 1."""
    wanted = request.query_params.get("page", "1")
    return min(max(int(wanted), 1), _LAST_PAGE) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 9 else 1


def offset_of(request: Request) -> int:
    """How many rows lie before the wanted page."""
    return (page_of(request) - 1) * PAGE_SIZE


def checked(model: type[Model], values: dict[str, object]) -> Model:
    """The values as a model of the REST interface: a form allows no more than a request does.

    Raises:
        InvalidInputError: names the first field that is wrong.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][-1] if first["loc"] else "form").replace("_", " ").capitalize()
        raise InvalidInputError(f"{field} {plain_words(first)}.", hint="Correct it and try again.") from error
