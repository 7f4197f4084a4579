"""CSV and JSON of any make as rows with names. Pure: bytes in, rows out, one at a time.

Encoding, delimiter and shape are found out from the content, since partners rarely tell them and change them without
notice. A row that cannot be read is given as ``BadRow`` and the rows after it are read all the same.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from courseyard.errors import PartnerAnswerError
from courseyard.limits import MAX_PARTNER_COLUMNS
from courseyard.partners.reading import storable

_DELIMITERS = ",;\t|"
_SNIFFED_ROWS = 20
_MAX_BAD_TEXT = 2_000
# Objects inside of objects become columns "a.b.c"; what lies deeper is no table.
_MAX_DEPTH = 5
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, slots=True)
class Row:
    """One row. ``number`` as a spreadsheet counts: the header is row 1; in JSON the first record is 1."""

    number: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read, with its text as far as it is known."""

    number: int
    text: str
    reason: str


def rows(data: bytes, path: str = "") -> Iterator[Row | BadRow]:
    """The rows of a CSV table or of JSON: an array of objects, one object a line, or a single object.

    ``path``: where in the JSON the array lies, ``result.items``; a single object there is one row. Members of inner
    objects are named ``learner.email``; arrays of plain values become one text, other arrays are left out.

    Raises:
        PartnerAnswerError: it is neither, or has no array at ``path``. May come while iterating.
    """
    if data.startswith(b"PK\x03\x04"):
        raise PartnerAnswerError("This is an Excel workbook or a zip file.", hint="Save the sheet as CSV (UTF-8).")
    encoding, start = _encoding(data)
    head = data[start : start + 4_096].decode(encoding, "ignore").lstrip()
    if head.lower().startswith(("<!doctype", "<html", "<?xml")):
        raise PartnerAnswerError("This is a web page or XML, not a table.", hint="It takes a header and rows, or JSON.")
    if head.startswith(("{", "[")):
        return _json_rows(data[start:].decode(encoding, "replace").replace("\0", ""), path)
    return _csv_rows(data[start:], encoding)


def columns(data: bytes, path: str = "") -> list[str]:
    """The names of the columns, in their order; of JSON, those of its first hundred records.

    Raises:
        PartnerAnswerError: as ``rows``.
    """
    found: dict[str, None] = {}
    for row in islice(rows(data, path), 100):
        if isinstance(row, Row):
            found |= dict.fromkeys(row.values)
    return list(found)


def array_paths(data: bytes) -> list[str]:
    """Where in a JSON object arrays of objects lie, as ``path`` of ``rows`` takes it; the largest first.

    Raises:
        PartnerAnswerError: it is no JSON.
    """
    sizes: dict[str, int] = {}

    def look(value: Any, path: str, depth: int) -> None:
        if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
            sizes[path] = len(value)
        elif isinstance(value, dict) and depth < _MAX_DEPTH:
            for name, inner in value.items():
                look(inner, f"{path}.{name}" if path else name, depth + 1)

    encoding, start = _encoding(data)
    text = data[start:].decode(encoding, "replace")
    if _has_lines(text):
        return []
    try:
        look(_JSON.decode(text), "", 0)
    except (ValueError, RecursionError) as error:
        raise _broken() from error
    return sorted((path for path in sizes if path), key=lambda path: -sizes[path])


def _encoding(data: bytes) -> tuple[str, int]:
    """The encoding, and how many bytes of byte order mark to skip."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name, len(mark)
    even, odd = data[0:2_000:2], data[1:2_000:2]
    if odd.count(0) > len(odd) // 2:
        return "utf-16-le", 0
    if even.count(0) > len(even) // 2:
        return "utf-16-be", 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(data), 1 << 20):
            decoder.decode(data[at : at + (1 << 20)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252", 0
    return "utf-8", 0


# CSV


def _csv_rows(data: bytes, encoding: str) -> Iterator[Row | BadRow]:
    lines: Iterator[str] = io.TextIOWrapper(io.BytesIO(data), encoding, "replace", newline="")
    first = list(islice(lines, 200))
    delimiter = ""
    skipped = 0
    if first and first[0].lower().startswith("sep=") and len(first[0].rstrip("\r\n")) == 5:
        # Excel's own way of telling the delimiter.
        delimiter, skipped = first[0][4], 1
        first = first[1:]
    delimiter = delimiter or _sniff(first)
    records = _csv_records(_chain(first, lines), delimiter)
    names: list[str] = []
    for number, record in enumerate(records, 1 + skipped):
        if isinstance(record, BadRow):
            yield BadRow(number, record.text, record.reason)
        elif not any(cell.strip() for cell in record):
            continue
        elif not names:
            names = _names(record)
        elif any(cell.strip() for cell in record[len(names) :]):
            reason = f"it has {len(record)} values, the header has {len(names)}"
            yield BadRow(number, delimiter.join(record)[:_MAX_BAD_TEXT], reason)
        else:
            cells = record + [""] * (len(names) - len(record))
            yield Row(number, dict(zip(names, cells, strict=False)))
    if not names:
        raise PartnerAnswerError("The file is empty, or not a table.", hint="It takes a header and rows, or JSON.")


def _csv_records(lines: Iterator[str], delimiter: str) -> Iterator[list[str] | BadRow]:
    """Records; one with a quotation mark that is never closed costs its own line alone, not what follows it."""
    waiting: deque[str] = deque()
    taken: list[str] = []

    def feed() -> Iterator[str]:
        while True:
            line = waiting.popleft() if waiting else next(lines, None)
            if line is None:
                return
            taken.append(line)
            yield line.replace("\0", "")

    while True:
        # Anew after a fault: a reader that was told of the end does not ask again.
        reader = csv.reader(feed(), delimiter=delimiter, strict=True)
        try:
            for record in reader:
                taken.clear()
                yield record
            return
        except csv.Error:
            waiting.extendleft(reversed(taken[1:]))
            text = taken[0][:_MAX_BAD_TEXT].replace("\0", "").rstrip("\r\n")
            taken.clear()
            yield BadRow(0, text, "its quotation marks do not match, or a value is too long")


def _sniff(lines: list[str]) -> str:
    """The delimiter by which most rows are as wide as the header, and the header the widest."""

    def fit(delimiter: str) -> tuple[int, int]:
        records = [r for r in islice(_csv_records(iter(lines), delimiter), _SNIFFED_ROWS) if isinstance(r, list) and r]
        if not records or len(records[0]) < 2:
            return (0, 0)
        width = len(records[0])
        return (sum(len(record) == width for record in records), width)

    return max(_DELIMITERS, key=fit)


def _names(cells: list[str]) -> list[str]:
    """Names of columns: without outer and double spaces, those without one by their place, repeated ones numbered."""
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) > MAX_PARTNER_COLUMNS:
        raise PartnerAnswerError(f"The table has more than {MAX_PARTNER_COLUMNS} columns.")
    names: list[str] = []
    for place, cell in enumerate(cells, 1):
        plain = " ".join(cell.replace("\0", "").split())[:200] or f"Column {place}"
        name, count = plain, 1
        while name in names:
            count += 1
            name = f"{plain} ({count})"
        names.append(name)
    return names


def _chain(first: list[str], rest: Iterator[str]) -> Iterator[str]:
    yield from first
    yield from rest


# JSON, read element by element: a million of them are never in memory at once, and those before a fault count.


def _json_rows(text: str, path: str) -> Iterator[Row | BadRow]:
    if not path and _has_lines(text):
        for number, line in enumerate(_lines(text), 1):
            if line.strip():
                yield _json_row(number, line)
        return
    at = _locate(text, path)
    if text[at : at + 1] != "[":
        try:
            value, _ = _JSON.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise _broken() from error
        yield _row(1, value, text[at : at + _MAX_BAD_TEXT])
        return
    number, at = 0, _skip(text, at + 1)
    while text[at : at + 1] != "]":
        number += 1
        try:
            value, end = _JSON.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield BadRow(
                number, text[at : at + _MAX_BAD_TEXT], "it is no JSON, or cut off; no more can be read after it"
            )
            return
        yield _row(number, value, text[at : min(end, at + _MAX_BAD_TEXT)])
        at = _skip(text, end)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "]":
            yield BadRow(number + 1, text[at : at + _MAX_BAD_TEXT], "the JSON is cut off here")
            return


def _locate(text: str, path: str) -> int:
    """Where the value at ``path`` begins."""
    at = _skip(text, 0)
    for name in path.split(".") if path else ():
        try:
            at = _member(text, at, name)
        except (ValueError, RecursionError) as error:
            raise _broken() from error
        if at < 0:
            raise PartnerAnswerError(f"There is no '{path}' in the JSON.", hint="See where the list of records lies.")
    return at


def _member(text: str, at: int, wanted: str) -> int:
    if text[at : at + 1] != "{":
        return -1
    at = _skip(text, at + 1)
    while text[at : at + 1] == '"':
        name, at = _JSON.raw_decode(text, at)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise ValueError
        at = _skip(text, at + 1)
        if name == wanted:
            return at
        _, at = _JSON.raw_decode(text, at)
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
    return -1


def _has_lines(text: str) -> bool:
    """Whether it is JSON Lines, and not a document that happens to span lines."""
    start = list(islice((line for line in _lines(text) if line.strip()), 2))
    return len(start) == 2 and any(_is_object(line) for line in start)


def _lines(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        yield text[at:end]
        at = end


def _is_object(line: str) -> bool:
    try:
        return isinstance(_JSON.decode(line), dict)
    except (ValueError, RecursionError):
        return False


def _json_row(number: int, line: str) -> Row | BadRow:
    try:
        return _row(number, _JSON.decode(line), line[:_MAX_BAD_TEXT])
    except (ValueError, RecursionError):
        return BadRow(number, line[:_MAX_BAD_TEXT].rstrip(), "it is no JSON, or cut off")


def _row(number: int, value: Any, text: str) -> Row | BadRow:
    if not isinstance(value, dict):
        return BadRow(number, text, "it is no object with named values")
    values: dict[str, Any] = {}
    _flatten(value, "", values, 1)
    if len(values) > MAX_PARTNER_COLUMNS:
        return BadRow(number, text, f"it has more than {MAX_PARTNER_COLUMNS} values")
    return Row(number, values)


def _flatten(value: dict[str, Any], before: str, into: dict[str, Any], depth: int) -> None:
    for name, inner in value.items():
        if isinstance(inner, dict):
            if depth < _MAX_DEPTH:
                _flatten(inner, f"{before}{name}.", into, depth + 1)
        elif isinstance(inner, list):
            if inner and all(isinstance(entry, str | int | float) for entry in inner):
                into[storable(before + name)] = storable(", ".join(map(str, inner[:100])))
        else:
            into[storable(before + name)] = storable(inner)


def _integer(digits: str) -> int | float:
    # Python refuses to read integers of thousands of digits, and nobody has any.
    return int(digits) if len(digits) < 100 else float(digits)


_JSON = json.JSONDecoder(parse_int=_integer)
_SPACES = re.compile(r"[ \t\r\n]*")


def _skip(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    return found.end() if found else at


def _broken() -> PartnerAnswerError:
    return PartnerAnswerError("The JSON is broken or cut off.")
