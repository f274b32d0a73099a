"""The properties under bytes that look like what they are about."""

from __future__ import annotations

import os

from hypothesis import example, given, settings
from hypothesis import strategies as st

from .properties import chunks_mean_one_thing, head_is_strict

EXAMPLES = 20_000 if "SOAK" in os.environ else 300

NAMES = (
    b"Host", b"host", b"Content-Length", b"Transfer-Encoding", b"Transfer_Encoding", b"Cookie",
    b"Connection", b"Upgrade", b"Expect", b"TE", b"Authorization", b"X-Email", b"x.email", b"X-Pomerium-A",
    b"X_Pomerium_A", b"X!Pomerium~A", b"X-A", b"X_A", b"Accept", b"", b"X A", b" X", b"X\x00",
)  # fmt: skip
VALUES = (
    b"a", b"", b"a.example.com:443", b"3", b"+3", b"3, 3", b"chunked", b"identity", b"close, x-a",
    b"upgrade, te", b"trailers", b"_pomerium=1; b=2", b"a=1;_pomerium_x", b"100-continue",
    b"Bearer Pomerium-x", b"\xff", b"a\rb", b"a\nb", b"\x00", b"\x7f", b" \t",
)  # fmt: skip
COLONS = (b": ", b":", b" : ", b"", b":\t")
ENDS = (b"\r\n", b"\n", b"\r", b"\r\n ")


def often(usual: bytes, *others: bytes) -> st.SearchStrategy[bytes]:
    return st.sampled_from([usual] * 40 + list(others))


LINES = st.tuples(
    st.sampled_from(NAMES) | st.binary(max_size=5),
    often(*COLONS),
    st.sampled_from(VALUES) | st.binary(max_size=8),
    often(*ENDS),
).map(b"".join)
PIECES = (
    b"0\r\n", b"\r\n", b"3\r\nabc\r\n", b"a\r\n0123456789\r\n", b"00A;x=1\r\n0123456789\r\n", b"X-A: b\r\n",
    b"3 ", b"0x3\r\n", b"F" * 16, b"F" * 17, b";", b"\n", b"\r", b"3\r\n", b"ab", b": ", b"\x00",
    b"3 \r\nabc\r\n", b"+3\r\nabc\r\n", b"3\nabc\n", b"3\r\nabcd\r\n",
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(block=st.lists(LINES, max_size=8).map(b"".join), named=st.booleans())
@example(block=b"Cookie:\r\nX-A: b\r\nCookie:\r\n", named=True)
@example(block=b"Cookie: a=b; ;_pomerium=x\r\n", named=True)
def test_heads(block: bytes, named: bool) -> None:
    head_is_strict(b"Host: a\r\n" * named + block)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=9).map(b"".join))
def test_chunks(stream: bytes) -> None:
    chunks_mean_one_thing(stream)
