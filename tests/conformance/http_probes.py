"""The odd requests of ``http-probes.tsv``, as bytes."""

from __future__ import annotations

import csv
from pathlib import Path


def probes() -> list[tuple[str, bytes]]:
    """(name, what is sent) of each."""
    text = (Path(__file__).parent / "http-probes.tsv").read_text()
    rows = csv.reader(text.splitlines()[1:], delimiter="\t", quoting=csv.QUOTE_NONE)
    return [(row[0], _bytes(row[0], row[1])) for row in rows]


def _bytes(name: str, written: str) -> bytes:
    """The table shortens the three longest: they are made again."""
    if name in {"16k header", "64k header"}:
        return b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (int(name[:2]) * 1000) + b"\r\n\r\n"
    if name == "600 headers":
        return b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(600)) + b"\r\n"
    return written.encode("latin-1").decode("unicode_escape").encode("latin-1")
