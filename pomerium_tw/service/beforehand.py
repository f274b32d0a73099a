"""What is read from the disk before anything is answered, and not when it is first needed.

While requests are answered descriptors may run out, and another version may be installed over the running
one.
"""

from __future__ import annotations

from importlib import import_module

from ..pages import load_pages

_LATE = ("email.contentmanager", "email.headerregistry", "email.policy", "encodings.idna")
"""Modules that libraries import when they first need them: to read a form, to look a name up."""


def load_beforehand() -> None:
    """Templates, assets and late modules."""
    load_pages()
    for name in _LATE:
        import_module(name)
