"""What a query matches."""

from __future__ import annotations

from typing import Any

import pytest

from pomerium_tw.databroker import USER, Record
from pomerium_tw.databroker.interfaces import NO_FILTER
from pomerium_tw.databroker.query import select

DATA = {
    "name": "Ann Straße",
    "active": True,
    "logins": 1,
    "nothing": None,
    "claims": {"address.country": ["at"], "groups": ["admins", 1], "nested": {"deep": ["x"]}},
}


def matches(text: str = "", where: Any = NO_FILTER) -> bool:
    return select([Record.new(USER, "ID-1", DATA)], text, where, 0, 1)[1] == 1


@pytest.mark.parametrize("text", ["", "ann", "STRASSE", "id-1", "ADMIN", "X"])
def test_text_is_found_in_the_id_and_in_any_string(text: str) -> None:
    assert matches(text)


@pytest.mark.parametrize("text", ["bob", "groups", "true", "1 "])
def test_text_is_not_found_in_keys_or_other_values(text: str) -> None:
    assert not matches(text)


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"name": "Ann Straße"},
        {"active": True, "logins": 1},
        {"nothing": None},
        {"claims.address.country": "at"},
        {"claims.groups": "admins"},
        {"claims.groups": ["admins", 1]},
        {"claims.nested.deep": "x"},
    ],
)
def test_equal_values_and_members_fit(where: Any) -> None:
    assert matches(where=where)


@pytest.mark.parametrize(
    "where",
    [
        {"name": "ann straße"},
        {"active": 1},
        {"logins": True},
        {"claims.groups": True},
        {"missing": None},
        {"name.first": "Ann"},
        {"claims.address": "at"},
        {"name": "Ann Straße", "logins": 2},
    ],
)
def test_other_values_do_not_fit(where: Any) -> None:
    assert not matches(where=where)
