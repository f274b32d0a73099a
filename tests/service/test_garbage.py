"""The collector leaves alone what stays, and what was set aside is looked at again when all is new."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from pomerium_tw.service.garbage import YOUNG_OBJECTS, look_seldom, settle


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


class Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_there_is_set_aside() -> None:
    settle()
    assert gc.get_freeze_count() > 10_000


def test_new_objects_are_looked_at_seldom() -> None:
    look_seldom()
    assert gc.get_threshold()[0] == YOUNG_OBJECTS


def test_what_was_set_aside_and_is_used_no_more_goes_the_next_time() -> None:
    ring = Ring()
    settle()
    gone = weakref.ref(ring)
    del ring
    gc.collect()
    assert gone() is not None, "it was set aside"
    settle()
    assert gone() is None
