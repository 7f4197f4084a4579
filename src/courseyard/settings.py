"""What an installation can choose. The only reader of the environment.

Each field is one variable ``COURSEYARD_<NAME>``; ``docs/settings.md`` lists them, kept complete by a test.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from courseyard.errors import SetupError


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process; ``doc`` is the line for the manual."""

    data: Path = field(
        default=Path("data"), metadata={"doc": "Directory for packages, keys and the embedded database."}
    )
    database_url: str | None = field(
        default=None, metadata={"doc": "PostgreSQL address; absent = the embedded server.", "secret": True}
    )
    service_key: str | None = field(
        default=None, metadata={"doc": "Key with all rights for the REST interface.", "secret": True}
    )
    secret_key: str | None = field(
        default=None,
        metadata={
            "doc": "Signs launch links and tokens; absent = a file in the data directory. The same for all processes.",
            "secret": True,
        },
    )
    credentials_keys: str | None = field(
        default=None,
        metadata={
            "doc": "Keys that encrypt partners' credentials, separated by commas: the first encrypts, all decrypt. "
            "Absent = derived from the secret key.",
            "secret": True,
        },
    )
    worker: bool = field(
        default=True,
        metadata={"doc": "Whether 'serve' also does the background jobs; false where 'courseyard worker' runs."},
    )
    partner_files: str | None = field(
        default=None,
        metadata={"doc": "Where files uploaded for partners lie, a folder or s3://…; absent = DATA/partner-files."},
    )
    app_url: str | None = field(default=None, metadata={"doc": "Address of the app; absent = http://localhost:PORT."})
    content_url: str | None = field(
        default=None, metadata={"doc": "Address of player and content; absent = http://127.0.0.1:PORT."}
    )
    supabase_url: str | None = field(
        default=None, metadata={"doc": "Address of the Supabase project, for its sign-in and Auth admin API."}
    )
    supabase_service_role_key: str | None = field(
        default=None, metadata={"doc": "Supabase key that may create users.", "secret": True}
    )
    supabase_jwt_secret: str | None = field(
        default=None,
        metadata={"doc": "Supabase legacy JWT secret (HS256); newer projects use the JWKS.", "secret": True},
    )
    package_store: str | None = field(
        default=None, metadata={"doc": "Where package files lie; absent = DATA/packages."}
    )
    partner_folder: Path | None = field(
        default=None, metadata={"doc": "Folder below which providers may read files; absent = they read none."}
    )
    postgres_bin: Path | None = field(
        default=None, metadata={"doc": "Folder with PostgreSQL's programs for the embedded server."}
    )
    postgres_user: str | None = field(
        default=None,
        metadata={"doc": "System user of the embedded server when started as root (default nobody)."},
    )
    prepared_statements: bool = field(
        default=False,
        metadata={"doc": "Use server-side prepared statements; not behind a transaction pooler."},
    )
    trusted_proxies: str | None = field(
        default=None,
        metadata={"doc": "Addresses of proxies, separated by commas, whose X-Forwarded-For and -Proto are believed."},
    )
    log_format: str = field(default="console", metadata={"doc": "console or json."})


def variable(name: str) -> str:
    """The environment variable of a field."""
    return f"COURSEYARD_{name.upper()}"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment; empty values count as absent.

    Raises:
        SetupError: a value cannot be read; names the variable, never its value.
    """
    env = os.environ if environ is None else environ
    values: dict[str, object] = {}
    for f in fields(Settings):
        raw = env.get(variable(f.name), "").strip()
        if raw:
            values[f.name] = _convert(f.name, str(f.type), raw)
    return Settings(**values)  # type: ignore[arg-type]  # checked field by field above


_WORDS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)


def _convert(name: str, kind: str, raw: str) -> object:
    if kind.startswith("Path"):
        return Path(raw)
    if kind == "bool":
        if raw.lower() not in _WORDS:
            hint = f"Set {variable(name)}=true or false."
            raise SetupError(f"{variable(name)} is neither true nor false.", hint=hint)
        return _WORDS[raw.lower()]
    return raw
