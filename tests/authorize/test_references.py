"""What the references of header templates stand for."""

from __future__ import annotations

import pytest

from pomerium_tw.authorize import comma_list
from pomerium_tw.authorize.references import meaning_of
from pomerium_tw.model import HEADER_REFERENCE, REFERENCES, Reference


@pytest.mark.parametrize("reference", [*sorted(REFERENCES), (*HEADER_REFERENCE, "X-A")])
def test_every_known_reference_has_a_meaning(reference: Reference) -> None:
    assert meaning_of(reference) is not None


@pytest.mark.parametrize(
    "reference", [(), ("pomerium",), ("pomerium", "email"), HEADER_REFERENCE, (*HEADER_REFERENCE, "a", "b")]
)
def test_others_stand_for_nothing(reference: Reference) -> None:
    assert meaning_of(reference) is None


def test_a_value_with_a_comma_has_no_place_in_a_list() -> None:
    assert comma_list(["a", ",b", "c,", "d"]) == "a,d"
    assert comma_list([]) == ""
