from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pomerium_tw.proxy import path_table
from pomerium_tw.proxy.path_table import FEW, NOTHING, PathTable
from tests.proxy.test_router import TESTS, plan


def table(*tests: dict[str, str]) -> PathTable:
    """So many routes that they are indexed."""
    never = [{"path": f"/never/{at}"} for at in range(FEW)]
    return PathTable([(at, plan(str(at), "a", **each)) for at, each in enumerate([*tests, *never])])


def found(routes: PathTable, path: str) -> str | None:
    plan = routes.find(path)
    return plan.name if plan else None


@pytest.mark.parametrize(
    ("tests", "path", "first"),
    [
        ([{"prefix": "/"}, {"prefix": "/a/b"}, {"prefix": "/a"}], "/a/b/c", "0"),
        ([{"prefix": "/a/b"}, {"prefix": "/a"}, {"prefix": "/"}], "/a/b/c", "0"),
        ([{"prefix": "/a"}, {"prefix": "/a/b"}], "/a/b/c", "0"),
        ([{"prefix": "/a/b"}, {"prefix": "/b"}, {"prefix": "/"}], "/a/c", "2"),
        ([{"path": "/a"}, {"regex": "/a"}, {"prefix": "/a"}], "/a", "0"),
        ([{"regex": "/a|/a/"}, {"path": "/a"}, {"prefix": "/a"}], "/a", "0"),
        ([{"path": "/a"}, {"regex": "/a.?"}, {"prefix": "/a"}], "/ab", "1"),
        ([{"path": "/a"}, {"regex": "/a.?"}, {"prefix": "/a"}], "/abc", "2"),
        ([{"regex": ".*c"}, {"prefix": "/a"}], "/abc", "0"),
        ([{"prefix": "/a"}, {"regex": ".*c"}], "/abc", "0"),
        ([{"prefix": "/a"}, {"regex": ".*c"}], "/b/c", "1"),
        ([{"prefix": "/a"}, {"prefix": "/a"}, {"path": "/a"}], "/a", "0"),
        ([{"prefix": "/a"}], "/b", None),
    ],
)
def test_the_first_in_the_file_wins_not_the_longest(
    tests: list[dict[str, str]], path: str, first: str | None
) -> None:
    assert found(table(*tests), path) == first


def test_an_earlier_find_is_kept() -> None:
    routes = table({"prefix": "/a"}, {"prefix": "/"})
    earlier = (-1, plan("earlier", "a"))
    assert routes.better("/a", earlier) is earlier
    few = PathTable([(3, plan("3", "a"))])
    assert few.better("/a", (2, earlier[1])) == (2, earlier[1])
    assert few.better("/a", NOTHING)[0] == 3


@settings(max_examples=300, deadline=None)
@given(st.lists(TESTS, min_size=FEW + 1, max_size=12), st.text("/abé", max_size=5).map("/{}".format))
def test_the_index_finds_what_trying_in_turn_finds(tests: list[dict[str, str]], path: str) -> None:
    plans = [plan(str(at), "a", **each) for at, each in enumerate(tests)]
    tried = next((each for each in plans if each.matches(path)), None)
    assert PathTable(list(enumerate(plans))).find(path) is tried


def test_few_routes_are_not_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_routes: object) -> None:
        raise AssertionError

    monkeypatch.setattr(path_table, "_index", fail)
    routes = [(at, plan(str(at), "a", prefix=f"/{at}")) for at in range(FEW + 1)]
    assert PathTable(routes[:FEW]).find("/3/x") is routes[3][1]
    with pytest.raises(AssertionError):
        PathTable(routes)
