"""Criteria on the request itself, and the two that look at nothing (spec/ppl §4.2)."""

from __future__ import annotations

from typing import Final

from ..branches import Expression, Input, Operand
from ..interface import ICriterion
from .kinds import Condition, Fixed, Text

METHOD: Final = Input("method", ("request.method",))
PATH: Final = Input("path", ("request.target.path",))
HEAD: Final = Input("head", ("request.head",))

_CORS_PREFLIGHT: Final[Expression] = (
    METHOD, " == ", Operand("OPTIONS"),
    " and ", HEAD, ".get(", Operand(b"access-control-request-method"), ")",
    " and ", HEAD, ".get(", Operand(b"origin"), ")",
)  # fmt: skip

CRITERIA: Final[tuple[ICriterion, ...]] = (
    Fixed("accept", True, "accept"),
    Fixed("reject", False, "reject"),
    Text("http_method", METHOD, "http-method", frozenset({"method"})),
    Text("http_path", PATH, "http-path", frozenset({"path"})),
    Condition(
        "cors_preflight",
        _CORS_PREFLIGHT,
        "cors-request",
        "non-cors-request",
        frozenset({"method", "headers"}),
    ),
)
