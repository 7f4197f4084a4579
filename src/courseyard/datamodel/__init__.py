"""The CMI data models of SCORM 1.2 and SCORM 2004 (IEEE 1484.11.1): tables, validation, status and time rules.

Pure: value in, value out; knows nothing of HTTP, the database or packages. The browser's run-time reads the
same tables (`table_json`), so that both sides come to the same verdict on every value.
"""

from ._initial import initial_data, resumable
from ._model import Applied, Model, Problem, validate
from ._status import Summary, finish, summarise
from ._tables import Standard, table_json
from ._time import add_times, format_time, parse_time, parse_timestamp

__all__ = [
    "Applied",
    "Model",
    "Problem",
    "Standard",
    "Summary",
    "add_times",
    "finish",
    "format_time",
    "initial_data",
    "parse_time",
    "parse_timestamp",
    "resumable",
    "summarise",
    "table_json",
    "validate",
]
