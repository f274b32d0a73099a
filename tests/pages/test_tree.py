"""The paths that every host answers itself."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from pomerium_tw.model import Reply
from pomerium_tw.pages import OwnRequest, Page, PathTree, UserDocument, UserPage, own_tree

from .memory import REQUEST_ID, drive, incoming


class Named(Page):
    def __init__(self, name: bytes) -> None:
        super().__init__()
        self._name = name

    async def get(self, request: OwnRequest) -> Reply:
        return Reply(200, (), self._name)


@pytest.fixture
def tree() -> PathTree:
    clock = Clock()
    return own_tree(
        jwks=b'{"keys":[]}',
        callback_url="https://authenticate.example.com/oauth2/callback",
        user_page=UserPage(clock),
        user_document=UserDocument(clock, lambda request, identity: None),
        extra={"/.pomerium/callback/": Named(b"callback"), "/": Named(b"root")},
    )


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/ping", b"OK\n"),
        ("/healthz", b"OK\n"),
        ("/.well-known/pomerium", b"jwks_uri"),
        ("/.well-known/pomerium/", b"jwks_uri"),
        ("/.well-known/pomerium/jwks.json", b'{"keys":[]}'),
        ("/.pomerium/", b"You are not signed in"),
        ("/.pomerium/index.css", b"--accent"),
        ("/.pomerium/assets/index.css", b"--accent"),
        ("/.pomerium/callback/", b"callback"),
        ("/", b"root"),
    ],
)
def test_reserved_paths_are_answered(tree: PathTree, path: str, part: bytes) -> None:
    answer = drive(tree, incoming(path))
    assert answer.status == 200
    assert part in answer.body


def test_the_user_document_needs_a_session(tree: PathTree) -> None:
    assert drive(tree, incoming("/.pomerium/user")).status == 401


@pytest.mark.parametrize(
    ("path", "query", "location"),
    [
        ("/.pomerium", None, "/.pomerium/"),
        ("/.pomerium", "a=1", "/.pomerium/?a=1"),
        ("/.pomerium/callback", "x=y", "/.pomerium/callback/?x=y"),
    ],
)
def test_a_missing_last_slash_is_added(tree: PathTree, path: str, query: str | None, location: str) -> None:
    answer = drive(tree, incoming(path, query=query))
    assert (answer.status, answer.header("location")) == (302, location)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "/.pomerium/x",
        "/.pomerium/user/x",
        "/.pomerium/assets/",
        "/.pomerium/assets/../errors.py",
        "/.well-known/pomerium/x",
    ],
)
def test_everything_else_is_not_found(tree: PathTree, path: str, method: str) -> None:
    answer = drive(tree, incoming(path, method=method))
    assert (answer.status, answer.done) == (404, True)
    assert (REQUEST_ID.encode() in answer.body) is (method != "HEAD")


def test_the_normalised_path_decides_not_the_raw_one(tree: PathTree) -> None:
    request = incoming("/.well-known/pomerium/jwks.json")
    raw = request._replace(target=request.target._replace(raw_path=b"//.well-known//pomerium/jwks.jso%6e"))
    assert drive(tree, raw).body == b'{"keys":[]}'


def test_extra_resources_win() -> None:
    user = Named(b"user")
    tree = own_tree(
        jwks=b"", callback_url="", user_page=user, user_document=user, extra={"/ping": Named(b"mine")}
    )
    assert drive(tree, incoming("/ping")).body == b"mine"
