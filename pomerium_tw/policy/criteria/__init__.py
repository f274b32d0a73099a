"""The words that the language has by itself, one module a subject, declared as a plugin declares its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..interface import ICriterion
from . import address, certificate, device, http, identity, record, ssh, times

_SUBJECTS = (address, certificate, device, http, identity, record, ssh, times)

BUILT_IN: Final[Mapping[str, ICriterion]] = MappingProxyType(
    {each.name: each for subject in _SUBJECTS for each in subject.CRITERIA}
)
"""Criteria by name."""

STRICT: Final[Mapping[str, ICriterion]] = MappingProxyType(
    {each.name: each for subject in (identity, ssh) for each in subject.STRICT}
)
"""Criteria that ``strict_policy`` puts in the place of built-in ones."""
