"""Times of an id token that no JSON should hold, and that Python's JSON reads all the same."""

from __future__ import annotations

import math

import pytest

from pomerium_tw.identity import InvalidAnswerError
from pomerium_tw.identity.id_token import MAX_TIME, _check_times

NOW = 1_800_000_000.0
GOOD = {"exp": NOW + 60, "iat": NOW}


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 10**400, MAX_TIME + 1, True, "1800000000"])
def test_a_time_that_is_none_is_refused(name: str, time: object) -> None:
    _check_times(GOOD, NOW)
    with pytest.raises(InvalidAnswerError, match=name):
        _check_times({**GOOD, name: time}, NOW)
