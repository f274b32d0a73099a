from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.model import Route, Substitution
from pomerium_tw.proxy.rewriting import MAX_REWRITTEN, path_rewrite
from pomerium_tw.proxy.target import parse_target
from tests.proxy.test_router import UP
from tests.proxy.test_target import HEAD, TargetRules


def rewritten(raw_path: bytes, *, to: str = "", **fields: object) -> bytes | None:
    upstream = replace(UP, path=to)
    route = Route(id="r", name="r", host="a", port=None, upstreams=(upstream,), **fields)  # type: ignore[arg-type]
    rewrite = path_rewrite(route)
    return raw_path if rewrite is None else rewrite(raw_path)


@pytest.mark.parametrize(
    ("fields", "path", "sent"),
    [
        ({}, b"/foo", b"/foo"),
        ({"to": "/"}, b"/foo", b"/foo"),
        ({"to": "/anything"}, b"/", b"/anything"),
        ({"to": "/anything"}, b"/foo", b"/anythingfoo"),
        ({"to": "/anything/"}, b"/foo", b"/anything/foo"),
        ({"prefix": "/foo", "prefix_rewrite": "/bar"}, b"/foo/x", b"/bar/x"),
        ({"prefix": "/foo", "prefix_rewrite": "/"}, b"/foo", b"/"),
        ({"prefix": "/foo", "prefix_rewrite": "/"}, b"/foo/x", b"/x"),
        ({"prefix": "/foo", "prefix_rewrite": "/"}, b"/foo//x", b"/x"),
        ({"prefix": "/f o", "prefix_rewrite": "/"}, b"/f%20o/x%20y", b"/x%20y"),
        ({"prefix": "/f%20", "prefix_rewrite": "/"}, b"/f%2520/x", b"/x"),
        ({"prefix": "/\u00e9", "prefix_rewrite": "/e"}, b"/%C3%A9/x", b"/e/x"),
        ({"path": "/foo", "prefix_rewrite": "/bar"}, b"/foo", b"/bar"),
        ({"regex": "/f.*", "prefix_rewrite": "/bar"}, b"/foo/x", b"/bar"),
        ({"regex": "/f.*", "prefix": "/foo", "to": "/bar"}, b"/foo/x", b"/bar"),
        ({"prefix": "/foo", "prefix_rewrite": "/bar", "to": "/never"}, b"/foo/x", b"/bar/x"),
    ],
)
def test_the_matched_prefix_or_all_of_the_path_is_replaced(
    fields: dict[str, str], path: bytes, sent: bytes
) -> None:
    assert rewritten(path, **fields) == sent  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "replacement", "path", "sent"),
    [
        ("^/service/([^/]+)(/.*)$", r"\2/instance/\1", b"/service/foo/v1/api", b"/v1/api/instance/foo"),
        ("one", "two", b"/xxx/one/yyy/one/zzz", b"/xxx/two/yyy/two/zzz"),
        ("^.*$", r"/x\0", b"/y", b"/x/y"),
        ("(?i)/Aa/", "/b/", b"/aA/x", b"/b/x"),
        ("(x)|(y)", r"[\1]", b"/xy", b"/[x][]"),
        ("/never", "/", b"/x", b"/x"),
        ("%20", "-", b"/a%20b", b"/a-b"),
    ],
)
def test_a_pattern_rewrites_the_escaped_path_wherever_it_is_found(
    pattern: str, replacement: str, path: bytes, sent: bytes
) -> None:
    rule = Substitution(pattern, replacement)
    assert rewritten(path, regex_rewrite=rule, to="/never") == sent
    assert rewritten(path, prefix_rewrite="/won", regex_rewrite=rule) == b"/won" + path[1:]


@pytest.mark.parametrize(
    ("replacement", "path"),
    [
        ("/..", b"/cut/x"),
        ("/.", b"/cut"),
        ("/%2e%2e", b"/cut/x"),
        ("/a/..;x", b"/cut/"),
        ("/x\r\nHost: evil", b"/cut"),
        ("/x y", b"/cut"),
        ("/x?y", b"/cut"),
        ("/x#y", b"/cut"),
        ("/x\\\\y", b"/cut"),
        ("/%", b"/cut"),
        ("/%0a", b"/cut"),
        ("/%ff", b"/cut"),
        ("/\u00e9", b"/cut"),
    ],
)
def test_what_could_be_read_otherwise_is_refused(replacement: str, path: bytes) -> None:
    assert rewritten(path, regex_rewrite=Substitution("/cut", replacement)) is None


def test_pn_14_a_pattern_cannot_put_an_escape_together_that_was_none() -> None:
    assert rewritten(b"/%252e%252e/x", regex_rewrite=Substitution("%25", "%")) is None
    assert rewritten(b"/a//evil.com", regex_rewrite=Substitution("^/a", "")) == b"/evil.com"


def test_patterns_are_not_let_loose_on_very_long_paths() -> None:
    rule = Substitution("a", "b")
    longest = b"/" + b"a" * (MAX_REWRITTEN - 1)
    assert rewritten(longest, regex_rewrite=rule) == longest.replace(b"a", b"b")
    assert rewritten(longest + b"a", regex_rewrite=rule) is None


PATHS = st.lists(
    st.sampled_from(["/", "a", "ab", ".", "..", ";", "%2e", "%25", "%41", "%C3%A9", "x"]), max_size=8
).map(lambda pieces: ("/" + "".join(pieces)).encode())
RULES = st.one_of(
    st.fixed_dictionaries(
        {
            "prefix": st.sampled_from(("/", "/a", "/ab")),
            "prefix_rewrite": st.sampled_from(["/", "/x", "/x/", "/a."]),
        }
    ),
    st.fixed_dictionaries(
        {"prefix": st.sampled_from(("/", "/a")), "to": st.sampled_from(["/", "/x", "/x/"])}
    ),
    st.builds(
        lambda pattern, replacement: {"regex_rewrite": Substitution(pattern, replacement)},
        st.sampled_from(("a", "/a", "%25", "/", "(.)b", "")),
        st.sampled_from(("", "/", ".", r"\0\0", "/..", "%", "2e", "//")),
    ),
)


@given(PATHS, RULES)
def test_pn_13_whatever_is_rewritten_is_one_normal_path(raw: bytes, fields: dict[str, object]) -> None:
    try:
        target = parse_target("GET", raw, HEAD, TargetRules())
    except ValueError:
        return
    sent = rewritten(target.raw_path, **fields)  # type: ignore[arg-type]
    if sent is not None:
        assert sent.startswith(b"/") and not sent.startswith(b"//")
        assert not {b".", b".."} & set(unquote_to_bytes(sent).split(b"/"))
        read = parse_target("GET", sent, HEAD, TargetRules(merge_slashes=False))
        assert read.path == unquote_to_bytes(sent).decode()
