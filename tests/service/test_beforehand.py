"""Nothing is opened or imported for the first time while requests are answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from pomerium_tw.service import run

from .processes import configured, ended

SCRIPT = """
import sys
from io import BytesIO
import pomerium_tw.service
from pomerium_tw.pages import ErrorFacts, handler_reply
from pomerium_tw.model import Head
from twisted.internet import reactor
from twisted.web.http import Request
from twisted.web.test.requesthelper import DummyChannel
from pomerium_tw.service.beforehand import load_beforehand

load_beforehand()
sys.addaudithook(lambda name, facts: print(name, facts[0]) if name in ("open", "import") else None)
"host.example.com".encode("idna")
request = Request(DummyChannel(), False)
request.requestHeaders.addRawHeader(b"content-type", b"application/x-www-form-urlencoded")
request.gotLength(3)
request.handleContentChunk(b"a=b")
request.requestReceived(b"POST", b"/", b"HTTP/1.1")
print("form", request.args)
"""


def test_names_and_forms_need_no_file(tmp_path: Path) -> None:
    status, written = ended("-c", SCRIPT, cwd=tmp_path)
    assert written == "form {b'a': [b'b']}\n"
    assert status == 0


def test_a_service_reads_it_all_when_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(run, "load_beforehand", lambda: read.append(1))
    run.make_service(configured(tmp_path, 0), {})
    assert read == [1]
