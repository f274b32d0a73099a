"""Mappings inside a configuration whose keys are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Entry(BaseModel):
    """A mapping with keys of its own; a key without a value is as good as absent."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {
            name: value for name, value in data.items() if value is not None or name not in cls.model_fields
        }
