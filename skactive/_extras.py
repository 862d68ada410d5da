"""Modules that come with an extra of the package."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PACKAGES = {"PIL": "Pillow", "sqlalchemy": "SQLAlchemy"}


def require(module: str, extra: str, purpose: str) -> Any:
    """A module that an extra brings."""
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        # Present but broken, for instance psycopg without the library of PostgreSQL.
        broken = not isinstance(error, ModuleNotFoundError)
        state = f"cannot be imported ({error})" if broken else "is not installed"
        raise ImportError(
            f"{purpose} needs {_PACKAGES.get(name, name)}, which {state}. Run: "
            f'pip install "skactive[{extra}]"'
        ) from error
