"""Decoding of single values (spec/proxy §1.1)."""

from __future__ import annotations

from typing import Any

import pytest

from pomerium_tw.config.problem import DecodeError
from pomerium_tw.config.values import (
    choice,
    count,
    duration,
    flag,
    listed,
    mapped,
    number,
    small_count,
    text,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30.0),
        ("1h45m", 6300.0),
        ("13h15m0.5s", 47700.5),
        ("0", 0.0),
        (0, 0.0),
        ("250ms", 0.25),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("+1m", 60.0),
        ("10us", 1e-5),
        ("10µs", 1e-5),
        ("5ns", 5e-9),
    ],
)
def test_durations_are_seconds(written: Any, seconds: float) -> None:
    assert duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "30", "s", "1d", "1h-2m", "-5s", "1 h", "ten", 30, 1.5, True, None, "99999999999h", "1mm"]
)
def test_what_is_no_duration_is_refused(written: Any) -> None:
    with pytest.raises(DecodeError):
        duration(written)


@pytest.mark.parametrize("written", [True, "true", "1", "T"])
def test_true_is_written_in_gos_ways(written: Any) -> None:
    assert flag(written) is True


@pytest.mark.parametrize("written", ["yes", "on", "no", "", 1, 0, None, [], "tRuE"])
def test_other_words_are_no_booleans(written: Any) -> None:
    with pytest.raises(DecodeError):
        flag(written)


def test_text_takes_whole_numbers_and_nothing_else() -> None:
    assert text(12) == "12"
    values: list[Any] = [1.5, True, None, [], {}]
    for value in values:
        with pytest.raises(DecodeError):
            text(value)


def test_numbers() -> None:
    assert (number(3), number("-4")) == (3, -4)
    for value in (True, 1.0, "1.0", "", None, "9" * 30):
        with pytest.raises(DecodeError):
            number(value)


def test_lists_come_from_commas_too() -> None:
    assert listed("a, b,,c ") == ["a", "b", "c"]
    assert listed(["a,b"]) == ["a,b"]
    with pytest.raises(DecodeError):
        listed({"a": 1})


def test_maps_come_from_json_too() -> None:
    assert mapped('{"a": 1}') == {"a": 1}
    for value in ("a", "[1]", [1], None):
        with pytest.raises(DecodeError):
            mapped(value)


def test_choices_go_by_value_full_name_or_suffix_in_any_case() -> None:
    policies = {"round_robin": "ROUND_ROBIN", "ring_hash": "RING_HASH", "maglev": "MAGLEV"}
    decode = choice("load_balancing_policy", policies, default="round_robin", not_built=("ring_hash",))
    for written in ("maglev", "MAGLEV", "LOAD_BALANCING_POLICY_MAGLEV", "load_balancing_policy_maglev"):
        assert decode(written) == "maglev"
    assert decode("robin") == "round_robin"
    assert decode("") == "round_robin"
    for unknown in ("glev", "policy", "least", "maglev ", 5):
        with pytest.raises(DecodeError, match="not a value of load_balancing_policy"):
            decode(unknown)
    with pytest.raises(DecodeError, match="ring_hash is not built yet"):
        decode("hash")


def test_an_ambiguous_suffix_is_no_choice() -> None:
    decode = choice("action", {"a": "DROP_IT", "b": "KEEP_IT"})
    with pytest.raises(DecodeError):
        decode("it")
    with pytest.raises(DecodeError):
        decode("")


def test_counts_are_whole_and_bounded() -> None:
    assert (count(0), count("18"), count(2**63 - 1)) == (0, 18, 2**63 - 1)
    assert small_count(2**32 - 1) == 2**32 - 1
    for decode, values in ((count, (-1, 2**63, True, 1.0, "x")), (small_count, (-1, 2**32, None))):
        for value in values:
            with pytest.raises(DecodeError):
                decode(value)
