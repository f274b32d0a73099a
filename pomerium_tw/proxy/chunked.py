"""The chunked transfer coding, strict (RFC 9112 §7.1; spec/threats SM-10..14)."""

from __future__ import annotations

import re

MAX_SIZE_LINE = 4096
"""Longest chunk-size line, extensions included."""
MAX_TRAILER_BYTES = 8192
"""Longest trailer section."""

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*+)?\r\n")
_TRAILER_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n")
_SMALL = 64
"""Shorter chunks are read in runs."""


def _small_chunks() -> re.Pattern[bytes]:
    """Finds small chunks, whole and as strict as above; each without the CRLF that ends it is the one group.

    It spells out every size: that is how a pattern, which runs in C, can follow a length. ``.+`` takes all
    the rest, into no group, so that no chunk is found behind what is none.
    """
    extension = rb"(?:;[\t\x20-\x7e\x80-\xff]{0,%d}+)?\r\n" % (MAX_SIZE_LINE - len("0" * 16 + ";\r\n"))
    small = b"|".join(b"(?i:%x)%b.{%d}" % (size, extension, size) for size in range(1, _SMALL))
    return re.compile(rb"(0{0,14}+(?:%b))\r\n|.+" % small, re.DOTALL)


_SMALL_CHUNKS = _small_chunks()


def is_mostly_framing(data: bytes, body: bytes) -> bool:
    """Whether much of ``data`` is framing, so that finding ``body`` in it took long."""
    return len(data) - len(body) > len(data) >> 3


class ChunkError(ValueError):
    """The bytes are not a chunked body."""


class ChunkedDecoder:
    """Takes bytes, gives body bytes.

    Feed it until :attr:`finished`; then :attr:`trailers` is the trailer section, :attr:`rest` what followed.
    """

    __slots__ = (
        "_buffer",
        "_in_trailer",
        "_left",
        "_trailer_bytes",
        "_trailers",
        "finished",
        "rest",
        "trailers",
    )

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0  # bytes of the present chunk still to come, its CRLF included
        self._in_trailer = False
        self._trailer_bytes = 0
        self._trailers: list[bytes] = []
        self.finished = False
        self.rest = b""
        self.trailers = b""

    def feed(self, data: bytes) -> bytes:
        """Body bytes in ``data``. Raises ChunkError as soon as the coding is broken."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        body: list[bytes] = []
        at = 0
        while at < len(data) and not self.finished:
            if self._left:
                at = self._chunk(data, at, body)
            elif self._in_trailer:
                at = self._trailer(data, at)
            else:
                at = self._size(data, at, body)
            if at < 0:
                break
        return body[0] if len(body) == 1 else b"".join(body)

    def _chunk(self, data: bytes, at: int, body: list[bytes]) -> int:
        available = min(len(data) - at, self._left)
        payload = min(available, max(self._left - 2, 0))
        if payload:
            body.append(data[at : at + payload] if payload < len(data) else data)
        # The last two bytes of what is left are the CRLF that ends the chunk.
        ending = data[at + payload : at + available]
        if ending != b"\r\n"[2 - (self._left - payload) :][: len(ending)]:
            raise ChunkError("a chunk does not end where its size says")
        self._left -= available
        return at + available

    def _size(self, data: bytes, at: int, body: list[bytes]) -> int:
        match = _SIZE_LINE.match(data, at)
        if match is None:
            return self._incomplete(data, at, MAX_SIZE_LINE, "a chunk size is malformed")
        size = int(match[1], 16)
        if match.end() - at > MAX_SIZE_LINE:
            raise ChunkError("a chunk-size line is too long")
        begin = match.end()
        end = begin + size
        if not size:
            self._in_trailer = True
        elif data[end : end + 2] == b"\r\n":
            body.append(data[begin:end])
            return end + 2 if size >= _SMALL else _run(data, end + 2, body)
        else:
            self._left = size + 2
        return begin

    def _trailer(self, data: bytes, at: int) -> int:
        if data.startswith(b"\r\n", at):
            self.finished = True
            self.trailers = b"".join(self._trailers)
            self.rest = data[at + 2 :]
            return at + 2
        match = _TRAILER_LINE.match(data, at)
        if match is None:
            return self._incomplete(data, at, MAX_TRAILER_BYTES, "a trailer is malformed")
        self._trailer_bytes += match.end() - at
        if self._trailer_bytes > MAX_TRAILER_BYTES:
            raise ChunkError("the trailers are too long")
        self._trailers.append(match[0])
        return match.end()

    def _incomplete(self, data: bytes, at: int, limit: int, fault: str) -> int:
        """Keep an unfinished line for the next feed, or say that it can never become a good one."""
        line = data[at:]
        newline = line.find(b"\n")
        if newline >= 0 or len(line) > limit or _hopeless(line, self._in_trailer):
            raise ChunkError(fault)
        self._buffer = line
        return -1


def _run(data: bytes, at: int, body: list[bytes]) -> int:
    """Take the small chunks that follow: one at a time, each would cost three times as much."""
    run = _SMALL_CHUNKS.findall(data, at)
    # Nearly all are a digit, CRLF and what they hold: no need to look for its beginning.
    held = [each[3:] if each[1] == 0x0D else each.partition(b"\n")[2] for each in run if each]
    body += held
    return at + len(b"".join(run)) + 2 * len(held)


def _hopeless(line: bytes, in_trailer: bool) -> bool:
    if in_trailer:
        return b"\r" in line[:-1]
    digits = line.split(b";", 1)[0].rstrip(b"\r")
    return len(digits) > 16 or (bool(digits) and not _is_hex(digits)) or b"\r" in line[:-1]


def _is_hex(text: bytes) -> bool:
    return all(byte in b"0123456789abcdefABCDEF" for byte in text)


def encode_chunk(data: bytes) -> bytes:
    """One chunk; ``data`` must not be empty, as that would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
