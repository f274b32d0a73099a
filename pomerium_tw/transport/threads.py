"""Threads for libraries that block: one owner of their pools, time-outs and shutdown (DESIGN §7.8)."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Any, NoReturn, ParamSpec, Protocol, TypeVar, cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

log = Logger("pomerium.transport")

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Passed = TypeVar("_Passed")

CALL_LIMIT = 30.0
"""Seconds from handing a call over until its Deferred fails, waiting for a free thread included."""

CLOSE_LIMIT = 5.0
"""Seconds that :meth:`Threads.close` waits for calls under way before it leaves them behind."""

MAX_PENDING = 10_000
"""Calls that may run or wait in one :class:`Threads`."""


class ThreadsError(RuntimeError):
    """A call was not run, or its result is not known."""


class ThreadsClosedError(ThreadsError):
    """The call was refused because the threads are closed or closing."""


class ThreadsBusyError(ThreadsError):
    """The call was refused because too many others are waiting."""


class ThreadsTimeoutError(ThreadsError):
    """The call took too long. It cannot be stopped: it may still have its effect."""


class ThreadsReactor(Protocol):
    """What :class:`Threads` needs of a reactor: IReactorFromThreads, IReactorTime and IReactorCore."""

    def callFromThread(self, fn: Callable[..., Any], /, *args: object, **kwargs: object) -> None: ...

    def callLater(
        self, delay: float, fn: Callable[..., Any], /, *args: object, **kwargs: object
    ) -> IDelayedCall: ...

    def addSystemEventTrigger(
        self, phase: str, event: str, fn: Callable[..., Any], /, *args: object, **kwargs: object
    ) -> Any: ...

    def removeSystemEventTrigger(self, trigger: Any, /) -> None: ...


class _DaemonThread(Thread):
    """A thread that a call which never returns cannot use to keep the process alive."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "daemon": True})


class _Pool(ThreadPool):
    threadFactory = _DaemonThread


class Threads:
    """At most ``size`` threads, started with the first call and closed with the reactor at the latest.

    With ``size`` 1 calls run one after the other, in the order of :meth:`run`. All methods belong to the
    reactor's thread.
    """

    def __init__(self, reactor: ThreadsReactor, name: str, size: int, call_limit: float = CALL_LIMIT) -> None:
        """``name`` shows in thread names, logs and errors; ``call_limit`` is in seconds."""
        if size < 1:
            raise ValueError(f"threads {name!r}: the size must be at least 1, not {size}")
        self.name = name
        self.size = size
        self._reactor = reactor
        self._from_threads = cast(IReactorFromThreads, reactor)
        self._clock = cast(IReactorTime, reactor)
        self._call_limit = call_limit
        self._pool: _Pool | None = None
        self._pending = 0
        self._closing = False
        self._closed = False
        self._closers: list[Deferred[None]] = []
        self._patience: IDelayedCall | None = None
        self._trigger: Any = None

    def run(self, fn: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> Deferred[_R]:
        """Calls ``fn`` in a thread; fires with what it returns or fails with what it raises.

        Fails with ThreadsClosedError, ThreadsBusyError or ThreadsTimeoutError too. What is cancelled, or took
        too long, is not called any more; a call that a thread has begun goes on, and its result is lost.
        """
        if self._closing:
            return fail(
                ThreadsClosedError(f"the threads {self.name!r} are closed: no call is taken any more")
            )
        if self._pending >= MAX_PENDING:
            return fail(
                ThreadsBusyError(f"the threads {self.name!r} have {self._pending} calls waiting already")
            )
        given_up = Event()

        def call() -> _R:
            if given_up.is_set() or self._closed:
                raise ThreadsClosedError(f"nobody waits for this call in the threads {self.name!r} any more")
            return fn(*args, **kwargs)

        def failed(failure: Failure) -> Failure:
            given_up.set()
            return failure

        # Raises when the system has no thread left.
        work: Deferred[_R] = deferToThreadPool(self._from_threads, self._started(), call)
        self._pending += 1
        result: Deferred[_R] = Deferred()
        work.addBoth(self._finished)
        work.chainDeferred(result)
        result.addErrback(failed)
        result.addTimeout(self._call_limit, self._clock, self._too_long)
        return result

    def close(self) -> Deferred[None]:
        """Takes no further call; fires when those under way have ended, after CLOSE_LIMIT seconds at most.

        Those that no thread has begun by then are not made.
        """
        if self._closed:
            return succeed(None)
        closer: Deferred[None] = Deferred()
        self._closers.append(closer)
        if not self._closing:
            self._closing = True
            if self._pending == 0:
                self._end()
            else:
                self._patience = self._reactor.callLater(CLOSE_LIMIT, self._give_up)
        return closer

    def _started(self) -> ThreadPool:
        if self._pool is None:
            self._pool = _Pool(minthreads=0, maxthreads=self.size, name=self.name)
            self._pool.start()
            # Not "before": services that stop in that phase still have calls to make.
            self._trigger = self._reactor.addSystemEventTrigger("during", "shutdown", self._reactor_stops)
        return self._pool

    def _too_long(self, _cancelled: object, limit: float) -> NoReturn:
        raise ThreadsTimeoutError(f"a call in the threads {self.name!r} took longer than {limit:g} seconds")

    def _finished(self, result: _Passed) -> _Passed:
        self._pending -= 1
        if self._closing and self._pending == 0 and not self._closed:
            self._end()
        return result

    def _give_up(self) -> None:
        self._patience = None
        log.warn(
            "closing the threads {name}: {count} calls did not end within {limit:g} s and are left behind",
            name=self.name,
            count=self._pending,
            limit=CLOSE_LIMIT,
        )
        self._end()

    def _end(self) -> None:
        self._closed = True
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._trigger is not None:
            self._reactor.removeSystemEventTrigger(self._trigger)
            self._trigger = None
        if self._pool is not None:
            if self._pending == 0:
                self._pool.stop()  # joins threads that have nothing left to do
            else:
                self._pool.adjustPoolsize(0, 0)  # each thread ends with its call, if that ever does
        closers, self._closers = self._closers, []
        for closer in closers:
            closer.callback(None)

    def _reactor_stops(self) -> None:
        self._trigger = None
        self.close()
