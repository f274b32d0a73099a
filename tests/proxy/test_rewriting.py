from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pomerium_tw.model import Route, Substitution
from pomerium_tw.proxy import rewriting
from pomerium_tw.proxy.rewriting import MAX_REPLACEMENTS, MAX_REWRITTEN, path_rewrite
from pomerium_tw.proxy.target import MAX_TARGET_BYTES, parse_target
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
    rule = Substitution("a+", "b")
    longest = b"/" + b"a" * (MAX_REWRITTEN - 1)
    assert rewritten(longest, regex_rewrite=rule) == b"/b"
    assert rewritten(longest + b"a", regex_rewrite=rule) is None


def test_so_many_places_of_a_path_are_replaced_and_no_more() -> None:
    rule = Substitution("a", "b")
    most = b"/" + b"a" * MAX_REPLACEMENTS
    assert rewritten(most, regex_rewrite=rule) == most.replace(b"a", b"b")
    assert rewritten(most + b"a", regex_rewrite=rule) is None


def test_beyond_that_nothing_more_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[object] = []

    class Counted:
        def finditer(self, path: bytes) -> Iterator[object]:
            for match in re2_compile("a").finditer(path):
                found.append(match)
                yield match

    re2_compile = rewriting.re2.compile
    monkeypatch.setattr(rewriting.re2, "compile", lambda *_: Counted())
    assert rewritten(b"/" + b"a" * 5000, regex_rewrite=Substitution("a", "b")) is None
    assert len(found) == MAX_REPLACEMENTS + 1


def test_nothing_longer_is_made_of_a_path_than_could_have_been_asked_for() -> None:
    rule = Substitution("^/(.*)$", r"/\1\1\1\1\1\1\1\1")
    fitting = b"/" + b"a" * ((MAX_TARGET_BYTES - 1) // 8)
    assert rewritten(fitting, regex_rewrite=rule) == b"/" + b"a" * 8 * (len(fitting) - 1)
    assert rewritten(fitting + b"a", regex_rewrite=rule) is None


@pytest.mark.parametrize(
    ("pattern", "path", "sent"),
    [
        (".*", b"/api", b"/x"),
        ("(?:/api)?", b"/api/a", b"/x/xax"),
        ("/?$", b"/api/", b"/apix"),
        ("/?$", b"/api", b"/apix"),
        ("p*", b"/apip", b"/x/xaxix"),
        ("", b"/a", b"/x/xax"),
        (r"\b", b"/a/b", b"/xax/xbx"),
    ],
)
def test_an_empty_match_right_behind_another_is_none(pattern: str, path: bytes, sent: bytes) -> None:
    assert rewritten(path, regex_rewrite=Substitution(pattern, "x")) == sent


@pytest.mark.parametrize(
    ("pattern", "path", "sent"),
    [
        ("^/@public/(.*)$", b"/%40public/x", None),
        ("^/@public/(.*)$", b"/@public/%40x", b"/guest/%40x"),
        ("^/public/(.*)$", b"/%70ublic/x", None),
        ("/:([^/]*)", b"/:a/%3ab", None),
        ("^/%C3%A9/(.*)$", b"/%C3%A9/x", b"/guest/x"),
        ("^/%C3%A9/(.*)$", b"/%c3%a9/x", None),
        ("^/%c3%a9/(.*)$", b"/%C3%A9/x", None),
        ("^/é/(.*)$", b"/%C3%A9/x", None),
        ("^/40/(.*)$", b"/%2540/x", b"/%2540/x"),
        ("(a) ", b"/a%2520", b"/a%2520"),
    ],
)
def test_pn_14_no_escape_hides_from_a_pattern_what_it_is_to_rewrite(
    pattern: str, path: bytes, sent: bytes | None
) -> None:
    assert rewritten(path, regex_rewrite=Substitution(pattern, r"/guest/\1")) == sent


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
