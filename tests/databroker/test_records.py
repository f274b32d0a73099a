"""Records and their JSON."""

from __future__ import annotations

import dataclasses
import json
from types import MappingProxyType

import pytest

from pomerium_tw.databroker import SESSION, USER, InvalidRecord, Record
from pomerium_tw.databroker.records import encode_data, expiry


def test_a_record_never_prints_its_data() -> None:
    assert "secret" not in repr(Record.new(SESSION, "s1", {"tokens": "secret"}))


def test_a_record_cannot_be_changed() -> None:
    record = Record.new(USER, "ann", {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.version = 7


def test_a_deletion_keeps_the_data() -> None:
    record = Record.new(SESSION, "s1", {"user_id": "ann"})
    assert record.deletion(5.0) == Record(SESSION, "s1", 0, {"user_id": "ann"}, 0.0, 5.0)


def test_mappings_of_any_kind_are_json_objects() -> None:
    data = MappingProxyType({"claims": MappingProxyType({"groups": ("a", "b")})})
    assert json.loads(encode_data(data)) == {"claims": {"groups": ["a", "b"]}}


def test_data_within_itself_is_refused() -> None:
    data: dict[str, object] = {}
    data["self"] = data
    with pytest.raises(InvalidRecord, match="must be JSON"):
        encode_data(data)


@pytest.mark.parametrize(
    ("record_type", "expires_at", "expected"),
    [
        (SESSION, 1_700_000_000, 1_700_000_000.0),
        (SESSION, 1.5, 1.5),
        (SESSION, 0, None),
        (SESSION, -1, None),
        (SESSION, True, None),
        (SESSION, "2030-01-01", None),
        (SESSION, None, None),
        (USER, 1_700_000_000, None),
    ],
)
def test_only_sessions_with_a_time_expire(
    record_type: str, expires_at: object, expected: float | None
) -> None:
    assert expiry(record_type, {"expires_at": expires_at}) == expected
