"""Criteria on the request itself, and the two that look at nothing (spec/ppl §4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from zope.interface import implementer

from policy_grammar import Criterion
from pomerium_tw.model import Request, Target

from ..branches import Branch, Expression, Input, Operand
from ..interface import ICriterion
from ..matchers import STRING_MATCHER, STRING_SCHEMA, string_matcher
from .kinds import Condition, Fixed, Text


def _item(of: type[tuple[Any, ...]], name: str) -> str:
    """An item of a named tuple by its place: read 15 ns sooner than by its name."""
    return f"[{of._fields.index(name)}]"  # type: ignore[attr-defined]


METHOD: Final = Input("method", ("request", _item(Request, "method")))
PATH: Final = Input("path", ("request", _item(Request, "target"), _item(Target, "path")))
HEAD: Final = Input("head", ("request", _item(Request, "head")))

_CORS_PREFLIGHT: Final[Expression] = (
    METHOD, " == ", Operand("OPTIONS"),
    " and ", HEAD, ".get(", Operand(b"access-control-request-method"), ")",
    " and ", HEAD, ".get(", Operand(b"origin"), ")",
)  # fmt: skip

_OWN_PATH: Final[Expression] = ("(", PATH, " == '/.pomerium' or ", PATH, ".startswith('/.pomerium/'))")

MCP: Final = Input("mcp", ("request.mcp",))
TOOL: Final = Input("tool", (MCP, ".tool if ", MCP, " is not None else None"))
_NO_CALL: Final[Expression] = (MCP, " is None or ", MCP, ".method != 'tools/call'")


@implementer(ICriterion)
@dataclass(frozen=True)
class MCPTool:
    """A string matcher on the name of the tool that an MCP client calls."""

    name: str = "mcp_tool"
    accepts: ClassVar[str] = STRING_MATCHER
    schema: ClassVar[Mapping[str, Any]] = STRING_SCHEMA
    reads: frozenset[str] = frozenset({"mcp"})

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        when = string_matcher(criterion, TOOL, optional=True, negations=("not_in",))
        return (
            Branch(_NO_CALL, False, "mcp-not-a-tool-call"),
            Branch(when, True, "mcp-tool-match"),
            Branch(None, False, "mcp-tool-no-match"),
        )


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
    Condition("pomerium_routes", _OWN_PATH, "pomerium-route", "non-pomerium-route", frozenset({"path"})),
    MCPTool(),
)
