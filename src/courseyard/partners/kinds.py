"""The kinds of partners that this release can talk to: every file in ``connectors/`` is found by itself."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

from courseyard.errors import NotFoundError
from courseyard.partners import connectors
from courseyard.partners.connector import Connector


@cache
def kinds() -> dict[str, type[Connector]]:
    """All connectors by their kind, in the order of their titles."""
    found: list[type[Connector]] = []
    for module in pkgutil.iter_modules(connectors.__path__):
        loaded = importlib.import_module(f"{connectors.__name__}.{module.name}")
        found += [
            value
            for value in vars(loaded).values()
            if inspect.isclass(value) and issubclass(value, Connector) and value.__module__ == loaded.__name__
        ]
    return {kind.kind: kind for kind in sorted(found, key=lambda k: k.title.lower())}


def kind_named(name: str) -> type[Connector]:
    """The connector of a kind.

    Raises:
        NotFoundError: this release has none; the provider was set up by another one.
    """
    if name not in kinds():
        raise NotFoundError(f"There is no connector for '{name}'.", hint=f"Choose one of {', '.join(kinds())}.")
    return kinds()[name]
