"""A few hundred odd HTTP/1 requests by families: what two parsers have been known to read differently."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.conformance.http_probes import probes

HOST = b"HOST"
"""Stands for the name of the reader that the request is for."""
HOST_BYTES = 14
"""How long every such name is."""
TWO_ANSWERS = ("pipelined pair", "coding named b'Transfer.Encoding'", "coding named b'X:Transfer-Encoding'")
"""Of more than one request: the last two name no coding, so what should be their body is a bad one."""


@dataclass(frozen=True, slots=True)
class Oddity:
    """What one client sends on one connection."""

    family: str
    name: str
    data: bytes

    @property
    def requests(self) -> int:
        """How many answers to wait for, if all is well; no further ones are looked at."""
        if self.name == "three":
            return 3
        return 2 if self.family == "pipelining" or self.name in TWO_ANSWERS else 1

    def to(self, host: bytes) -> bytes:
        return self.data.replace(HOST, host)


def oddities() -> list[Oddity]:
    """All of them; each says for itself what it is."""
    made = [Oddity(family.__name__.strip("_"), name, data) for family in FAMILIES for name, data in family()]
    # A probe speaks to the host "a"; those with another Host mean it.
    addressed = [(name, re.sub(rb"Host: a(?=\r?\n)", b"Host: HOST", data)) for name, data in probes()]
    return [*made, *(Oddity("probe", name, data) for name, data in addressed)]


def get(*lines: bytes, target: bytes = b"/x", method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    return b"\r\n".join([method + b" " + target + b" " + version, b"Host: HOST", *lines, b"", b""])


def post(*lines: bytes, body: bytes = b"abc") -> bytes:
    return get(*lines, method=b"POST") + body


CHUNKED = b"Transfer-Encoding: chunked"
LENGTH = b"Content-Length: 3"
DONE = b"3\r\nabc\r\n0\r\n\r\n"

LENGTHS = (
    b"3", b"03", b"0000000000003", b"0", b"00", b"+3", b"-3", b"-0", b"3.0", b"3e0", b"0x3", b"3_0", b"3 3",
    b"3,3", b"3, 3", b"3,", b",3", b"3;", b"3\t", b"\x0b3", b"3\x0b", b"3\x0c", b"3\x85", b"3\xa0",
    "٣".encode(), "３".encode(), b"", b" ", b"9" * 18, b"9" * 19, b"9" * 40, b"chunked", b"'3'", b'"3"',
    b"3 ", b"   3",
)  # fmt: skip
CODINGS = (
    b"chunked", b"Chunked", b"CHUNKED", b" chunked ", b"chunked\t", b"chunked,", b",chunked", b"chunked, ",
    b"chunked;", b"chunked;q=1", b"chunked, chunked", b"identity", b"identity, chunked",
    b"chunked, identity", b"gzip", b"gzip, chunked", b"chunked, gzip", b"xchunked", b"chunkedx", b"chun ked",
    b'"chunked"', b"'chunked'", b"\x0bchunked", b"chunked\x0b", b"chunked\x0c", b"\x00chunked",
    b"chunked\x00", b"chunked\xa0", b"\xef\xbb\xbfchunked", b"chu\xc5\x8bked", b"", b"cow", b"deflate",
    b"trailers", b"chunked\x85",
)  # fmt: skip


def framing() -> Iterator[tuple[str, bytes]]:
    for value in LENGTHS:
        yield f"length {value!r}", post(b"Content-Length: " + value)
    for value in CODINGS:
        yield f"coding {value!r}", post(b"Transfer-Encoding: " + value, body=DONE)
    for first, second in ((CHUNKED, LENGTH), (LENGTH, CHUNKED), (CHUNKED, b"Content-Length: 0")):
        yield f"{first!r} and {second!r}", post(first, second, body=DONE)
    for value in (b"3", b"4", b"0"):
        yield f"two lengths, {value!r}", post(LENGTH, b"Content-Length: " + value)
        yield f"two lengths apart, {value!r}", post(LENGTH, b"X-A: b", b"content-length: " + value)
    for value in (b"chunked", b"identity", b"gzip", b""):
        yield f"two codings, {value!r}", post(CHUNKED, b"Transfer-Encoding: " + value, body=DONE)
        yield f"two codings, first {value!r}", post(b"Transfer-Encoding: " + value, CHUNKED, body=DONE)
    for name in (
        b"transfer-encoding", b"TRANSFER-ENCODING", b"Transfer-Encoding ", b"Transfer_Encoding",
        b"Transfer.Encoding", b" Transfer-Encoding", b"\tTransfer-Encoding", b"Transfer-Encoding\t",
        b"Transfer Encoding", b"Transfer-Encoding\x00", b"\x00Transfer-Encoding", b"Transfer-Encoding\x0b",
        b"X:Transfer-Encoding", b"Transfer-Encodin\xc7", b"Transfer-Encoding\r",
    ):  # fmt: skip
        yield f"coding named {name!r}", post(name + b": chunked", body=DONE)
        yield f"coding named {name!r} beside a length", post(LENGTH, name + b": chunked")
    for name in (
        b"content-length",
        b"Content-Length ",
        b"Content_Length",
        b"\x00Content-Length",
        b"Content-Length\x0b",
    ):
        yield f"length named {name!r}", post(name + b": 3")
        yield f"length named {name!r} beside chunked", post(CHUNKED, name + b": 3", body=DONE)


def methods_with_bodies() -> Iterator[tuple[str, bytes]]:
    for method in (b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"PUT", b"PATCH"):
        yield f"{method.decode()} with a length", get(LENGTH, method=method) + b"abc"
        yield f"{method.decode()} chunked", get(CHUNKED, method=method) + DONE
        yield f"{method.decode()} of nothing", get(b"Content-Length: 0", method=method)


SIZES = (
    b"3", b"03", b"0000000000000003", b"00000000000000003", b"3;a", b"3;a=b", b'3;a="b;c"', b'3;a="b',
    b"3; a", b"3;", b"3;;", b"3 ;a", b"3 ", b"3\t", b" 3", b"\t3", b"0x3", b"0X3", b"+3", b"-3", b"3_",
    b"3h", b"3.", b"3,", b"", b";a", b"3;a\x00", b"3;a\nb", b"3;a\rb", b"3\r", b"3\n", b"3\x0b", b"F" * 16,
    b"F" * 17, b"F" * 40, b"100000003", b"\xef\xbc\x93", b"3;" + b"a" * 5000,
)  # fmt: skip


def chunking() -> Iterator[tuple[str, bytes]]:
    for size in SIZES:
        yield f"size {size[:20]!r}", post(CHUNKED, body=size + b"\r\nabc\r\n0\r\n\r\n")
    for name, body in (
        ("upper case", b"A\r\n0123456789\r\n0\r\n\r\n"),
        ("lower case", b"a\r\n0123456789\r\n0\r\n\r\n"),
        ("several", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
        ("nothing", b"0\r\n\r\n"),
        ("many noughts", b"0000\r\n\r\n"),
        ("last with an extension", b"3\r\nabc\r\n0;a=b\r\n\r\n"),
        ("last with a blank", b"3\r\nabc\r\n0 \r\n\r\n"),
        ("wrong end", b"3\r\nabcXX0\r\n\r\n"),
        ("no end", b"3\r\nabc0\r\n\r\n"),
        ("end of LF", b"3\r\nabc\n0\r\n\r\n"),
        ("end of CR", b"3\r\nabc\r0\r\n\r\n"),
        ("size line of LF", b"3\nabc\r\n0\r\n\r\n"),
        ("size line of CR", b"3\rabc\r\n0\r\n\r\n"),
        ("all of LF", b"3\nabc\n0\n\n"),
        ("last line of LF", b"3\r\nabc\r\n0\r\n\n"),
        ("last chunk of LF", b"3\r\nabc\r\n0\n\r\n"),
        ("longer than its size", b"2\r\nabc\r\n0\r\n\r\n"),
        ("shorter than its size", b"4\r\nabc\r\n0\r\n\r\n"),
        ("empty line first", b"\r\n3\r\nabc\r\n0\r\n\r\n"),
        (
            "a request inside",
            b"%x\r\nGET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n\r\n0\r\n\r\n" % (34 + HOST_BYTES),
        ),
        ("a request of LF inside an extension", b"3;\nGET /smuggled HTTP/1.1\r\nabc\r\n0\r\n\r\n"),
    ):
        yield name, post(CHUNKED, body=body)


def trailers() -> Iterator[tuple[str, bytes]]:
    for name, section in (
        ("one", b"X-A: b\r\n"),
        ("two", b"X-A: b\r\nX-B: c\r\n"),
        ("Host", b"Host: evil\r\n"),
        ("Content-Length", b"Content-Length: 5\r\n"),
        ("Transfer-Encoding", b"Transfer-Encoding: chunked\r\n"),
        ("ours", b"X-Pomerium-Claim-Email: evil\r\n"),
        ("a request", b"GET /smuggled HTTP/1.1\r\nHost: HOST\r\n"),
        ("folded", b"X-A: b\r\n c\r\n"),
        ("folded first", b" X-A: b\r\n"),
        ("of LF", b"X-A: b\n"),
        ("with a bare CR", b"X-A: b\rX-B: c\r\n"),
        ("with NUL", b"X-A: b\x00\r\n"),
        ("no colon", b"X-A\r\n"),
        ("blank before the colon", b"X-A : b\r\n"),
        ("too long", b"X-A: " + b"b" * 9000 + b"\r\n"),
        ("announced", b"X-A: b\r\n"),
    ):
        announced = (b"Trailer: X-A",) if name == "announced" else ()
        yield name, post(CHUNKED, *announced, body=b"3\r\nabc\r\n0\r\n" + section + b"\r\n")


def names() -> Iterator[tuple[str, bytes]]:
    for byte in (*range(0x21), *b"!#$%&'*+.^_`|~", *b'"(),/;<=>?@[\\]{}', 0x7F, 0x80, 0xA0, 0xFF):
        yield f"with {byte:#04x}", get(b"X-A" + bytes((byte,)) + b"B: c")
    for byte in (0x00, 0x09, 0x0B, 0x0D, 0x20, 0x85, 0xA0):
        yield f"ending in {byte:#04x}", get(b"X-A" + bytes((byte,)) + b": b")
        yield f"beginning with {byte:#04x}", get(b"X-B: c", bytes((byte,)) + b"X-A: b")
    yield "empty", get(b": b")
    yield "no colon", get(b"X-A")
    yield "only a colon", get(b":")
    yield "long", get(b"X-" + b"a" * 300 + b": b")
    yield "twice", get(b"X-A: b", b"X-A: c")
    yield "twice in two cases", get(b"X-A: b", b"x-a: c")
    yield "odd case", get(b"x-OdD-cAsE: b")


def values() -> Iterator[tuple[str, bytes]]:
    for byte in (*range(0x20), 0x7F, 0x80, 0x85, 0xA0, 0xFF):
        yield f"with {byte:#04x}", get(b"X-A: b" + bytes((byte,)) + b"c")
    for byte in (0x00, 0x09, 0x0B, 0x0C, 0x1C, 0x20, 0x85, 0xA0):
        yield f"ending in {byte:#04x}", get(b"X-A: b" + bytes((byte,)))
        yield f"beginning with {byte:#04x}", get(b"X-A:" + bytes((byte,)) + b"b")
    for value in (
        b"",
        b" ",
        b":",
        b"a:b",
        b"a,b",
        b"a, b",
        b"a;b",
        b'"a',
        b"a" * 4000,
        "ü".encode(),
        b"%0d%0aX-B: c",
    ):
        yield f"{value[:20]!r}", get(b"X-A: " + value)
    yield "no blank before it", get(b"X-A:b")
    yield "many blanks before it", get(b"X-A:     b")


def folding() -> Iterator[tuple[str, bytes]]:
    yield "a blank", get(b"X-A: b", b" c")
    yield "a tab", get(b"X-A: b", b"\tc")
    yield "nothing before", get(b"X-A:", b" b")
    yield "nothing after", get(b"X-A: b", b" ")
    yield "of a length", post(b"Content-Length:", b" 3")
    yield "of a coding", post(b"Transfer-Encoding:", b" chunked", body=DONE)
    yield "a coding below another header", post(LENGTH, b"X-A: b", b" Transfer-Encoding: chunked")
    yield "the first line", b"GET /x HTTP/1.1\r\n X-A: b\r\nHost: HOST\r\n\r\n"
    yield "of the Host", b"GET /x HTTP/1.1\r\nHost:\r\n HOST\r\n\r\n"


TARGETS = (
    b"/", b"/a/b", b"/a/../b", b"/a/./b", b"/..", b"/../../a", b"/a/..", b"/%2e%2e/a", b"/a/%2E./b",
    b"/.%2e/a", b"//a", b"/a//b", b"///", b"/a/", b"/%2f", b"/a%2fb", b"/a%5cb", b"/a\\b", b"/%252e%252e/a",
    b"/a;x=1", b"/;/a", b"/..;/a", b"/a;b/../c", b"/%00", b"/%0a", b"/%0d%0aX-A:%20b", b"/%7f", b"/%",
    b"/%4", b"/%zz", b"/%C3%BC", b"/%c0%ae", b"/%ff", b"/\xc3\xbc", b"/\xff", b"/a#b", b"/a%23b", b"/a?b",
    b"/a?", b"/a??b", b"/a?b?c", b"/a?b#c", b"/a?b=/../c", b"/a?%00", b"/a?%zz", b"/a?x=\xff", b"/a?x=\\",
    b"/a?a=1&a=2", b"/a?a=1;b=2", b"/a?a+b%20c", b"/a|b", b"/a<b>", b'/a"b', b"/a{b}", b"/a^b", b"/a`b",
    b"/~a", b"/a:b", b"/@evil", b"/a@b", b"/a\x00b", b"/a\tb", b"/a\x7fb", b"/a b", b"*", b"a", b"", b"?a",
    b"#a", b"\\a", b"http://HOST/x", b"HTTP://HOST/x", b"http://HOST", b"http://HOST?a", b"http://HOST:80/x",
    b"http://evil/x", b"http://a@HOST/x", b"http:///x", b"http:/x", b"http:x", b"https://HOST/x",
    b"ftp://HOST/x", b"//HOST/x", b"HOST:80", b"HOST", b"/" + b"a" * 5000, b"/a?" + b"b" * 5000, b"/%41",
    b"/a%20b", b"/a+b", b"/a,b", b"/a=b&c", b"/!$&'()*+,;=:@", b"/.a", b"/a/.b", b"/...", b"/a/...", b"/a.",
    b"/%25", b"/%25zz", b"/a%3Fb", b"/a%3bb",
)  # fmt: skip


def targets() -> Iterator[tuple[str, bytes]]:
    for target in TARGETS:
        yield f"{target[:30]!r}", get(target=target)
    yield "OPTIONS *", get(target=b"*", method=b"OPTIONS")
    yield "CONNECT", get(target=b"HOST:80", method=b"CONNECT")
    yield "CONNECT of a path", get(target=b"/x", method=b"CONNECT")


HOSTS = (
    b"HOST", b" HOST", b"HOST ", b"HOST\t", b"HOST.", b"HOST..", b".HOST", b"HOST:80", b"HOST:080", b"HOST:",
    b"HOST:0", b"HOST:65536", b"HOST:a", b"HOST:80:80", b"HOST,evil", b"HOST, evil", b"HOST evil",
    b"HOST@evil", b"evil@HOST", b"HOST/x", b"/HOST", b"HOST?x", b"HOST#x", b"HOST\\x", b"http://HOST", b"",
    b"[HOST]", b"[::1]", b"[::1", b"[::1]x", b"HO%53T", b"HOST\x00", b"HOST\x0b", b"\xef\xbb\xbfHOST",
    b"HOST\xff", b"HOST;a", b"'HOST'", b"HOST:-80", b"HOST:+80", b"HOST: 80", b"HOST :80",
)  # fmt: skip


def hosts() -> Iterator[tuple[str, bytes]]:
    for host in HOSTS:
        yield f"{host!r}", b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    yield "upper case", b"GET /x HTTP/1.1\r\nHOST: HOST\r\n\r\n".replace(b"HOST:", b"hOsT:")
    yield "none", b"GET /x HTTP/1.1\r\n\r\n"
    yield "twice", get(b"Host: HOST")
    yield "two", get(b"Host: evil")
    yield "two, ours last", b"GET /x HTTP/1.1\r\nHost: evil\r\nHost: HOST\r\n\r\n"
    yield "blank before the colon", b"GET /x HTTP/1.1\r\nHost : HOST\r\n\r\n"
    yield "and X-Forwarded-Host", get(b"X-Forwarded-Host: evil")
    yield "and X-Host", get(b"X-Host: evil", b"X-Forwarded-Server: evil", b"Forwarded: host=evil")


def versions() -> Iterator[tuple[str, bytes]]:
    for version in (
        b"HTTP/1.0", b"HTTP/1.2", b"HTTP/1.10", b"HTTP/1.01", b"HTTP/01.1", b"HTTP/2", b"HTTP/2.0",
        b"HTTP/3.0", b"HTTP/0.9", b"HTTP/9.9", b"http/1.1", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1,1",
        b"HTTP /1.1", b"HTTP/ 1.1", b"HTTP/1.1 ", b" HTTP/1.1", b"HTTP/1.1\t", b"HTTP/1.1x", b"XHTTP/1.1",
        b"HTTPS/1.1", b"ICY/1.1", b"", b"HTTP/1.1 HTTP/1.1", b"HTTP/+1.1", b"HTTP/\xb9.1",
    ):  # fmt: skip
        yield f"{version!r}", get(version=version)
        if version in (b"HTTP/1.0", b"HTTP/1.2"):
            yield f"{version!r} chunked", get(CHUNKED, version=version, method=b"POST") + DONE
            yield f"{version!r} kept alive", get(b"Connection: keep-alive", version=version) + get()
    yield "0.9", b"GET /x\r\n"
    yield "0.9 with headers", b"GET /x\r\nHost: HOST\r\n\r\n"


def methods() -> Iterator[tuple[str, bytes]]:
    for method in (
        b"get", b"Get", b"GE T", b" GET", b"GET\t", b"G\x00T", b"G:T", b"G/T", b"GET,", b"\xefGET", b"",
        b"TRACE", b"TRACK", b"PRI", b"FOO", b"M-SEARCH", b"PROPFIND", b"QUERY", b"G_T", b"G.T", b"G!T", b"1",
        b"A" * 40, b'"GET"', b"\x00GET", b"\x7fGET",
    ):  # fmt: skip
        yield f"{method!r}", get(method=method)


def request_lines() -> Iterator[tuple[str, bytes]]:
    for name, data in (
        ("two blanks", b"GET  /x HTTP/1.1"),
        ("two blanks later", b"GET /x  HTTP/1.1"),
        ("tabs", b"GET\t/x\tHTTP/1.1"),
        ("vertical tab", b"GET\x0b/x HTTP/1.1"),
        ("blank at the end", b"GET /x HTTP/1.1 "),
        ("blank before", b" GET /x HTTP/1.1"),
        ("only a method", b"GET"),
        ("no method", b"/x HTTP/1.1"),
        ("CR inside", b"GET /x\rHTTP/1.1"),
        ("CR at the end", b"GET /x HTTP/1.1\r"),
        ("LF inside", b"GET /x\nHTTP/1.1"),
    ):
        yield name, data + b"\r\nHost: HOST\r\n\r\n"
    for name, before in (
        ("blank line", b"\r\n"),
        ("two", b"\r\n\r\n"),
        ("LF", b"\n"),
        ("CR", b"\r"),
        ("NUL", b"\x00"),
    ):
        yield f"after {name}", before + get()
    yield "TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    yield "LF alone", b"GET /x HTTP/1.1\nHost: HOST\n\n"
    yield "LF at the end", b"GET /x HTTP/1.1\r\nHost: HOST\r\n\n"
    yield "CR alone", b"GET /x HTTP/1.1\rHost: HOST\r\r"


NEXT = get(target=b"/next")


def pipelining() -> Iterator[tuple[str, bytes]]:
    yield "two", get() + NEXT
    yield "three", get() + NEXT + get(target=b"/last")
    yield "after a body", post(LENGTH) + NEXT
    yield "after chunks", post(CHUNKED, body=DONE) + NEXT
    yield "after trailers", post(CHUNKED, body=b"3\r\nabc\r\n0\r\nX-A: b\r\n\r\n") + NEXT
    yield "after a body of a GET", get(LENGTH) + b"abc" + NEXT
    yield "after a blank line", get() + b"\r\n" + NEXT
    yield "after two blank lines", get() + b"\r\n\r\n" + NEXT
    yield "after a length too short", post(LENGTH, body=b"abcd") + NEXT
    yield "after a length of nothing", post(b"Content-Length: 0", body=b"") + NEXT
    yield (
        "a length over the next",
        post(b"Content-Length: %d" % (len(NEXT) - len(HOST) + HOST_BYTES), body=NEXT),
    )
    yield "after close", get(b"Connection: close") + NEXT
    yield "after a HEAD", get(method=b"HEAD") + NEXT
    yield "after a HEAD with a body", get(LENGTH, method=b"HEAD") + b"abc" + NEXT
    yield "after an OPTIONS *", get(target=b"*", method=b"OPTIONS") + NEXT
    yield "before rubbish", get() + b"\x00\x01\x02\r\n\r\n"
    yield "after an Upgrade", get(b"Connection: Upgrade", b"Upgrade: h2c") + NEXT
    yield "after an expectation", post(LENGTH, b"Expect: 100-continue") + NEXT


def expectations() -> Iterator[tuple[str, bytes]]:
    for value in (
        b"100-continue",
        b"100-Continue",
        b" 100-continue ",
        b"100-continue, x",
        b"y 100-continue",
        b"x",
        b"",
        b"100",
        b"100-continue;a",
    ):
        yield f"{value!r}", post(LENGTH, b"Expect: " + value)
    yield "twice", post(LENGTH, b"Expect: 100-continue", b"Expect: 100-continue")
    yield "chunked", post(CHUNKED, b"Expect: 100-continue", body=DONE)
    yield "no body", get(b"Expect: 100-continue")
    yield "folded", post(LENGTH, b"Expect:", b" 100-continue")


def connections() -> Iterator[tuple[str, bytes]]:
    for value in (
        b"close", b"Close", b"keep-alive", b"close, keep-alive", b"X-A", b"x-a", b"Content-Length",
        b"Transfer-Encoding", b"Host", b"Cookie, X-A", b"", b",", b"close,", b"X-A;q=1", b"x a",
        b"\x0bclose", b"Upgrade", b"TE", b"Authorization", b"Content-Type", b"X-Forwarded-For, X-Request-Id",
        b"*",
    ):  # fmt: skip
        yield (
            f"{value!r}",
            post(b"Connection: " + value, b"X-A: b", b"Cookie: a=b", b"Content-Type: text/plain", LENGTH),
        )
        if b"o" in value:
            yield f"{value!r} chunked", post(b"Connection: " + value, CHUNKED, body=DONE)
    for name in (
        b"Proxy-Connection",
        b"Keep-Alive",
        b"TE",
        b"Trailer",
        b"Upgrade",
        b"HTTP2-Settings",
        b"Proxy-Authorization",
        b"Proxy",
    ):
        yield f"{name.decode()}", get(name + b": x")
    yield "te trailers", get(b"TE: trailers", b"Connection: TE")


FAMILIES = (
    framing, methods_with_bodies, chunking, trailers, names, values, folding, targets, hosts, versions,
    methods, request_lines, pipelining, expectations, connections,
)  # fmt: skip
