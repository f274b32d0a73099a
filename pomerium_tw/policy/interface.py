"""The point where a criterion is plugged in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zope.interface import Attribute, Interface

from policy_grammar import Criterion

from .branches import Branch
from .environment import Environment


class ICriterion(Interface):
    """A word of the policy language.

    Functions become one by the decorator :func:`~.decorator.criterion`; this is for words that need more.

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


class ICheckedCriterion(ICriterion):
    """A criterion whose data must also fit the world around the policy, such as the record types known."""

    def check(criterion: Criterion, environment: Environment) -> frozenset[str]:  # noqa: N805
        """Called after ``prepare``; the inputs that this use of it reads, some of ``reads``.

        Raises PolicyError for data that means nothing in this environment.
        """
