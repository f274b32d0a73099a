"""Who takes an upstream's answer."""

from __future__ import annotations

from typing import Protocol

from .failures import Failed
from .response import ResponseHead


class AnswerSink(Protocol):
    """Told of one answer, by the connection that it comes on."""

    def answer_head(self, head: ResponseHead, data: bytes, end: bool) -> None: ...

    def answer_data(self, data: bytes) -> None: ...

    def answer_interim(self) -> None:
        """A 1xx head came, which goes no further: the upstream is at work."""

    def answer_end(self, data: bytes, trailers: bytes) -> None:
        """The last of the body. The connection is not the answer's any more."""

    def answer_switched(self, block: bytes, head: ResponseHead, data: bytes) -> bool:
        """A 101 with its head, and what came with it. Whether it is taken: then the connection is too."""

    def answer_failed(self, failed: Failed, *, untouched: bool) -> None:
        """The answer will not complete. ``untouched``: the connection ended before a byte of it."""

    def expired(self, now: float) -> None:
        """The deadline that was set on the connection is over."""
