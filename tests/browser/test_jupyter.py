"""JupyterLab behind a route, configured as docs/how-to/jupyterlab.md says, in a real browser."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import trustme
from playwright.sync_api import Browser, Page, WebSocket, expect

from tests.running import ROOT, Running, free_port, running, wait_for

from .conftest import WAIT_MILLISECONDS, trust

pytestmark = pytest.mark.browser

HOME = "https://notebooks.example.com"
REVOKED_SECONDS = 5.0
"""Within which a websocket is closed that its session no longer allows (spec/threats WS-06)."""
CHANNELS = re.compile(r"/api/kernels/[^/]+/channels")


@dataclass
class Notebooks:
    """The proxy with JupyterLab behind it, and a browser that finds both hosts there."""

    proxy: Running
    jupyter: Running
    port: int
    """Of JupyterLab itself."""
    folder: Path
    """Where its files are."""
    browser: Browser


def replaced(name: str, *changes: tuple[str, str]) -> str:
    """An example, but for what no test can have: ports of a machine's own, and names that lead to it."""
    text = (ROOT / "examples" / name).read_text("utf-8")
    for here, there in changes:
        assert text.count(here) == 1, here
        text = text.replace(here, there)
    return text


@contextmanager
def jupyterlab(folder: Path, port: int, keys: str, authority: Path) -> Iterator[Running]:
    """A server whose home is ``folder``, and which has the proxy's keys from the URL ``keys``."""
    config = folder / ".jupyter" / "jupyter_server_config.py"
    config.parent.mkdir(parents=True)
    verifier = f"AssertionVerifier(HOST, jwks_url={keys!r}, ca_file={str(authority)!r})"
    changes = (("AssertionVerifier(HOST)", verifier), ("8888", str(port)))
    config.write_text(replaced("jupyter_server_config.py", *changes), "utf-8")
    (folder / "notebooks").mkdir()
    arguments = ["-m", "jupyterlab", f"--ServerApp.root_dir={folder / 'notebooks'}", "--allow-root"]
    arguments.append("--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate")
    # A home of its own: what the developer has configured is no part of the test.
    own = {"HOME": str(folder), "JUPYTER_CONFIG_DIR": str(config.parent)}
    with running(arguments, folder / "jupyter.txt", own) as process:
        process.wait_for_text("is running at")
        yield process


@contextmanager
def proxy(folder: Path, port: int, behind: int, certificate: trustme.LeafCert) -> Iterator[Running]:
    """The example, with addresses from the environment, and a person named Ada at the provider."""
    import oidc_provider_mock  # here, where the warnings of what it stands on are filtered

    config = folder / "jupyterlab.yaml"
    config.write_text(replaced("jupyterlab.yaml", ("127.0.0.1:8888", f"127.0.0.1:{behind}")), "utf-8")
    certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
    certificate.private_key_pem.write_to_path(folder / "server-key.pem")
    people = [
        oidc_provider_mock.User(sub=name, claims={"email": f"{name}@example.com", "name": name.title()})
        for name in ("ada", "bob")
    ]
    with oidc_provider_mock.run_server_in_thread(user_claims=people) as provider:
        environment = {
            "ADDRESS": f"127.0.0.1:{port}",
            "INSECURE_SERVER": "false",
            "CERTIFICATE_FILE": str(folder / "server.pem"),
            "CERTIFICATE_KEY_FILE": str(folder / "server-key.pem"),
            "STATE_DIR": str(folder / "state"),
            "IDP_PROVIDER_URL": f"http://127.0.0.1:{provider.server_port}",
        }
        arguments = ["-m", "pomerium_tw.cli", "run", str(config)]
        with running(arguments, folder / "proxy.txt", environment) as process:
            process.wait_for_line(message="ready, routes: 1")
            yield process


@pytest.fixture(scope="module")
def notebooks(
    tmp_path_factory: pytest.TempPathFactory, launch: Callable[..., Browser]
) -> Iterator[Notebooks]:
    pytest.importorskip("jupyterlab") if os.environ.get("CI") != "true" else None
    folder = tmp_path_factory.mktemp("notebooks")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("notebooks.example.com", "authenticate.example.com", "127.0.0.1")
    port, behind = free_port(), free_port()
    browser = launch(
        trust(certificate.cert_chain_pems[0].bytes()),
        f"--host-resolver-rules=MAP *.example.com:443 127.0.0.1:{port}",
    )
    keys = f"https://127.0.0.1:{port}/.well-known/pomerium/jwks.json"
    with (
        proxy(folder, port, behind, certificate) as process,
        jupyterlab(folder, behind, keys, folder / "ca.pem") as jupyter,
    ):
        yield Notebooks(process, jupyter, behind, folder / "notebooks", browser)


@pytest.fixture
def page(notebooks: Notebooks) -> Iterator[Page]:
    context = notebooks.browser.new_context()
    context.set_default_timeout(2 * WAIT_MILLISECONDS)
    yield context.new_page()
    context.close()


def sign_in(page: Page, name: str) -> None:
    page.goto(f"{HOME}/lab?reset")  # without what the test before had open
    # Who signed in before is offered twice; the name of the button differs between versions of the provider.
    page.locator(f'button[name="sub"][value="{name}"]').first.click()


def open_notebook(page: Page) -> list[WebSocket]:
    """Sign Ada in and make a notebook: the websockets of its kernel."""
    opened: list[WebSocket] = []

    def hear(socket: WebSocket) -> None:
        if CHANNELS.search(socket.url):
            opened.append(socket)

    page.on("websocket", hear)
    sign_in(page, "ada")
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    expect_idle(page)
    return opened


def expect_idle(page: Page) -> None:
    """The kernel said over its websocket that it is ready."""
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()


def run_cell(page: Page, text: str, shown: str) -> None:
    """Write into the last cell, which is empty, run it, and see what it prints."""
    cell = page.locator(".jp-Notebook .jp-Cell .cm-content").last
    cell.click()
    expect(cell).to_be_focused()
    page.keyboard.type(text)
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").last).to_have_text(shown)


def channel_lines(process: Running) -> list[dict[str, Any]]:
    """Of the access log: websockets of kernels that are over."""
    return [line for line in process.lines(message="http-request") if CHANNELS.search(line["path"])]


def test_a_cell_runs_over_a_websocket_and_the_kernel_restarts(notebooks: Notebooks, page: Page) -> None:
    (first,) = open_notebook(page)
    assert first.url.startswith("wss://notebooks.example.com/")
    run_cell(page, "x = 6 * 7; print(x)", "42")
    page.get_by_role("button", name="Restart the kernel", exact=True).click()
    with page.expect_response(re.compile("/api/kernels/[^/]+/restart")) as restarted:
        page.get_by_role("button", name="Confirm Kernel Restart").click()
    assert restarted.value.status == 200
    expect_idle(page)
    run_cell(page, "print('x' in globals())", "False")
    before = len(channel_lines(notebooks.proxy))
    page.close()
    lines = wait_for(lambda: channel_lines(notebooks.proxy)[before:], "the websocket in the access log")
    assert {(line["response-code"], line["response-code-details"]) for line in lines} == {
        (101, "via_upstream")
    }


def test_signing_out_closes_the_websocket(notebooks: Notebooks, page: Page) -> None:
    socket = open_notebook(page)[-1]
    run_cell(page, "print('here')", "here")
    tab = page.context.new_page()
    tab.goto(f"{HOME}/.pomerium/")
    with socket.expect_event("close", timeout=REVOKED_SECONDS * 1000):
        tab.get_by_role("button", name="Sign out").click()
    assert wait_for(
        lambda: [
            line
            for line in channel_lines(notebooks.proxy)
            if (line["response-code"], line["response-code-details"]) == (101, "access_revoked")
        ],
        "the closed websocket in the access log",
    )


def test_a_file_goes_up_in_pieces_and_comes_down(notebooks: Notebooks, page: Page, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)  # from 1 MB on it is sent in several requests
    (tmp_path / "some.bin").write_bytes(content)
    sign_in(page, "ada")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload Files").click()
    chooser.value.set_files(tmp_path / "some.bin")
    there = notebooks.folder / "some.bin"
    wait_for(lambda: there.exists() and there.stat().st_size == len(content), "the upload")
    assert there.read_bytes() == content
    sha256 = page.evaluate(
        """async () => {
            const body = await (await fetch("/files/some.bin")).arrayBuffer();
            return [...new Uint8Array(await crypto.subtle.digest("SHA-256", body))];
        }"""
    )
    assert bytes(sha256) == hashlib.sha256(content).digest()


def test_jupyter_knows_who_is_asking(notebooks: Notebooks, page: Page) -> None:
    sign_in(page, "ada")
    expect(page.get_by_role("menubar").first).to_be_visible()
    page.goto(f"{HOME}/api/me")
    user = json.loads(page.inner_text("body"))["identity"]
    assert (user["username"], user["display_name"]) == ("ada", "Ada")


def test_others_are_refused_at_the_door(notebooks: Notebooks, page: Page) -> None:
    sign_in(page, "bob")
    expect(page.locator("main")).to_contain_text("403")


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "there is no assertion"),
        ({"X-Pomerium-Jwt-Assertion": "e30.e30.e30"}, "the token is not signed"),
        ({"Authorization": "token "}, "there is no assertion"),
    ],
    ids=["none", "forged", "empty token"],
)
def test_jupyter_serves_nobody_without_an_assertion(
    notebooks: Notebooks, headers: dict[str, str], said: str
) -> None:
    written = len(notebooks.jupyter.text())
    with closing(HTTPConnection("127.0.0.1", notebooks.port, timeout=10)) as connection:
        for path in ("/lab", "/api/contents", "/login"):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 403, path
    wait_for(lambda: said in notebooks.jupyter.text()[written:], said)
