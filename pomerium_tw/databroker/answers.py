"""Plain and async functions as the Deferred-answering methods that :class:`IRecordStore` asks for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred

_P = ParamSpec("_P")
_R = TypeVar("_R")


def answered(function: Callable[_P, _R]) -> Callable[_P, Deferred[_R]]:
    """What the function returns or raises, in a Deferred that has fired."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> Deferred[_R]:
        return maybeDeferred(function, *args, **kwargs)

    return call


def awaited(function: Callable[_P, Coroutine[Deferred[Any], Any, _R]]) -> Callable[_P, Deferred[_R]]:
    """The coroutine, started at once, as a Deferred."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> Deferred[_R]:
        return Deferred.fromCoroutine(function(*args, **kwargs))

    return call
