"""The point where a criterion is plugged in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from zope.interface import Attribute, Interface

from policy_grammar import Criterion

from .branches import Branch

INPUTS: Final = frozenset(
    {
        "identity",  # session, user, directory record, devices and claims
        "method",
        "scheme",
        "host",  # host and port of the request
        "path",
        "query",
        "headers",
        "address",  # of the direct peer
        "certificate",  # of the client, and whether it is good
        "mcp",  # the JSON-RPC call
        "ssh",  # user name and key
        "records",  # external data
        "time",
    }
)
"""What a criterion may read: the outcome of a policy changes with nothing else."""


class ICriterion(Interface):
    """A word of the policy language.

    The whole of a simple one::

        @implementer(ICriterion)
        class Weekend:
            name = "weekend"
            accepts = "no data"
            reads = frozenset({"time"})

            def prepare(self, criterion):
                return decided(lambda request, identity: is_weekend(), "weekend", "workday")

    A match that raises, or that answers anything but True or False, denies the request with the reason
    ``criterion-error``, wherever in the policy it stands. One that takes longer than ``MAX_MATCH_SECONDS``
    denies from then on, until its policy is compiled anew.
    """

    name: str = Attribute("The word as policies write it: lower case with underscores, no slash.")
    accepts: str = Attribute("The data it accepts, in a few words, for manuals and editors.")
    schema: Mapping[str, Any] = Attribute("The same as JSON Schema (draft 7), for editors; {} for any data.")
    reads: frozenset[str] = Attribute("The inputs its match reads: a subset of ``INPUTS``.")

    def prepare(criterion: Criterion) -> Sequence[Branch]:  # noqa: N805 - interfaces leave self out
        """The answers that the criterion can give, first hit first; called once for each use in a policy.

        Raises PolicyError, with ``criterion.where(...)`` as its place, for data it does not accept. The last
        branch, and only the last, has no condition.
        """
