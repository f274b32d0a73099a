"""An editor's language server for YAML with our schemas: faults, completion, help. Part of ``make soak``."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from click.testing import CliRunner

from pomerium_tw.cli import main

SERVER = "yaml-language-server@1"
PATIENCE = 60.0
"""Seconds until an answer that does not come fails the test."""

pytestmark = [
    pytest.mark.skipif("SOAK" not in os.environ, reason="runs by make soak: it installs an npm package"),
    pytest.mark.skipif(not shutil.which("npm"), reason="npm and node are not installed"),
]

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "one-application.yaml"
ROUTE = "routes:\n  - from: https://a.example.com\n    to: http://a\n"
CRITERIA = f"{ROUTE}    policy:\n      - allow:\n          or:\n"


class Editor:
    """One conversation with a language server over its standard input and output."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin
        assert self._process.stdout
        self._to, self._from = self._process.stdin, self._process.stdout
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, args=(self._from,), daemon=True).start()
        self._asked = 0
        item = {"snippetSupport": True, "documentationFormat": ["markdown"]}
        capabilities = {"textDocument": {"completion": {"completionItem": item}}}
        self.ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities=capabilities)
        self._send(method="initialized", params={})

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._to.close()

    def ask(self, method: str, **params: Any) -> Any:
        self._asked += 1
        self._send(id=self._asked, method=method, params=params)
        while (message := self._next()).get("id") != self._asked:
            pass
        return message["result"]

    def faults(self, name: str, text: str) -> list[tuple[int, str]]:
        """Line (from 0, under the line that names the schema) and message of what is wrong in a new file."""
        uri = (self._folder / name).as_uri()
        schema = "policy.json" if name.startswith("policy") else "config.json"
        document = {
            "uri": uri,
            "languageId": "yaml",
            "version": 1,
            "text": f"# yaml-language-server: $schema={schema}\n{text}",
        }
        self._send(method="textDocument/didOpen", params={"textDocument": document})
        while True:
            message = self._next()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                found = message["params"]["diagnostics"]
                return [(each["range"]["start"]["line"] - 1, each["message"]) for each in found]

    def offers(self, name: str, text: str) -> set[str]:
        """What is offered at the end of a new file."""
        self.faults(name, text)
        lines = text.split("\n")
        position = {"line": len(lines), "character": len(lines[-1])}
        answer = self.ask(
            "textDocument/completion",
            textDocument={"uri": (self._folder / name).as_uri()},
            position=position,
        )
        return {item["label"] for item in answer["items"]}

    def help(self, name: str, line: int, character: int) -> str:
        """What is shown of a word of a file that is open."""
        answer = self.ask(
            "textDocument/hover",
            textDocument={"uri": (self._folder / name).as_uri()},
            position={"line": line + 1, "character": character},
        )
        return str(answer["contents"]["value"])

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._to.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._to.flush()

    def _next(self) -> dict[str, Any]:
        message = self._messages.get(timeout=PATIENCE)
        if "id" in message and "method" in message:  # it asks us: for settings, or leave to register
            items = message["params"].get("items", []) if message["params"] else []
            settings = {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}
            result = [settings if item.get("section") == "yaml" else None for item in items]
            self._send(id=message["id"], result=result or None)
        return message

    def _read(self, stream: IO[bytes]) -> None:
        while header := stream.readline():
            length = 0
            while header.strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
                header = stream.readline()
            self._messages.put(json.loads(stream.read(length)))


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    server, folder = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("configuration")
    install = ["npm", "install", "--prefix", str(server), "--no-audit", "--no-fund", SERVER]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot install {SERVER}: {done.stderr.strip()[-200:]}")
    for name, option in (("config.json", []), ("policy.json", ["--policy"])):
        written = CliRunner().invoke(main, ["config", "schema", *option, "-o", str(folder / name)])
        assert written.exit_code == 0
    found = Editor([str(server / "node_modules/.bin/yaml-language-server"), "--stdio"], folder)
    yield found
    found.close()


def test_a_good_file_has_no_faults(editor: Editor) -> None:
    assert editor.faults("good.yaml", EXAMPLE.read_text("utf-8")) == []
    ignored = f"autocert: true\ntimeout_read: 0\ncookie_same_site: Lax\n{ROUTE}    policy:\n"
    assert editor.faults("ignored.yaml", ignored) == []


def test_a_misspelt_criterion_is_marked_on_its_line(editor: Editor) -> None:
    text = f"{CRITERIA}            - domain: {{is: a.com}}\n            - emial: {{is: a@b.c}}\n"
    assert editor.faults("criterion.yaml", text) == [(7, "Property emial is not allowed.")]


def test_other_mistakes_are_marked_with_what_to_write(editor: Editor) -> None:
    text = f"adress: x\ntimeout_read: 30\nclient_ca: x\n{ROUTE}    policy:\n      - alow: {{}}\n"
    found = dict(sorted(editor.faults("mistakes.yaml", text)))
    assert found == {
        0: "Property adress is not allowed.",
        1: "write a duration such as 30s, 5m or 1h30m",
        2: found[2],
        7: "Property alow is not allowed.",
    }
    assert (2, "The key client_ca was removed. Use downstream_mtls.ca.") in editor.faults("m2.yaml", text)


def test_keys_and_words_are_offered(editor: Editor) -> None:
    assert {"routes", "shared_secret"} <= editor.offers("top.yaml", "")
    assert not {"autocert", "client_ca", "downstream_mtls"} & editor.offers("top2.yaml", "")
    assert {"lax", "strict", "none"} <= editor.offers("value.yaml", "cookie_same_site: ")
    assert {"from", "to", "policy"} <= editor.offers("route.yaml", "routes:\n  - ")
    assert {"allow", "deny", "file"} <= editor.offers("rules.yaml", f"{ROUTE}    policy:\n      ")


def test_criteria_and_operators_are_offered(editor: Editor) -> None:
    assert {"domain", "email", "claim/NAME"} <= editor.offers("criteria.yaml", f"{CRITERIA}            - ")
    email = f"{CRITERIA}            - email:\n                "
    assert {"is", "starts_with"} <= editor.offers("operators.yaml", email)


def test_a_policy_of_its_own_has_its_own_schema(editor: Editor) -> None:
    assert editor.faults("policy-good.yaml", "- allow:\n    or:\n      - accept: true\n") == []
    found = editor.faults("policy-bad.yaml", "- allow:\n    or:\n      - acept: true\n")
    assert found == [(2, "Property acept is not allowed.")]
    assert {"allow", "deny"} <= editor.offers("policy-words.yaml", "- ")


def test_help_is_shown(editor: Editor) -> None:
    text = f"cookie_expire: 1h\n{CRITERIA}            - domain: a.com\n"
    assert editor.faults("help.yaml", text) == []
    assert "Lifetime of a session." in editor.help("help.yaml", 0, 3)
    assert "Who is let in, and who is not." in editor.help("help.yaml", 4, 6)
    assert "starts" in editor.help("help.yaml", 7, 16)
