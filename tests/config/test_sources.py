"""The three notations, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pomerium_tw.config import ConfigError, load
from pomerium_tw.config.sources import MAX_BYTES

from .conftest import Load, Problems


def test_json_has_positions(problems: Problems) -> None:
    text = '{\n  "address": ":80",\n  "insecure_server": "maybe"\n}\n'
    assert problems(text, name="config.json") == [
        "3:22: insecure_server: true or false is expected here, not text"
    ]


def test_json_is_strict(problems: Problems) -> None:
    assert problems("{\n  a: 1\n}\n", name="config.json") == [
        "2:3: JSON syntax: Expecting property name enclosed in double quotes"
    ]


def test_json_duplicate_keys_are_refused(problems: Problems) -> None:
    assert problems('{"address": ":1", "address": ":2"}', name="c.json") == [
        "1:19: the key 'address' stands here twice"
    ]


def test_toml_positions_are_those_of_key_names(problems: Problems) -> None:
    text = (
        "insecure_server = true\n"
        "cookie_same_site = 'sideways'\n"
        "[[routes]]\n"
        "from = 'https://a.example.com'\n"
        "to = 'http://a'\n"
        "policy = []\n"
        "[[routes]]\n"
        "from = 'https://b.example.com'\n"
        "to = 'gopher://b'\n"
        "  [routes.set_request_headers]\n"
        "  Host = 'x'\n"
    )
    assert problems(text, name="config.toml") == [
        "2:1: cookie_same_site: this is not a value of cookie_same_site",
        "9:1: to: an upstream begins with http://, https://, unix:// or https+unix://",
        "11:3: Host: the header Host cannot be set here",
    ]


def test_toml_syntax_errors_have_a_place(problems: Problems) -> None:
    assert problems("a = 1\nb = = 2\n", name="config.toml") == ["2:5: TOML syntax: Invalid value"]


def test_a_byte_order_mark_is_not_content(loaded: Load) -> None:
    assert loaded("\ufeffaddress: ':7'\n").settings.address.port == 7


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.yaml", {})
    assert str(caught.value) == (
        f"{tmp_path}/none.yaml: the configuration file cannot be read: No such file or directory"
    )


def test_a_long_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "long.yaml"
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="longer than 10000000 bytes"):
        load(file, {})
    file.write_bytes(b"#" * MAX_BYTES)
    assert load(file, {"HOME": "/h"}).settings.routes == ()


def test_text_that_is_not_utf8_is_refused_in_place(tmp_path: Path) -> None:
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert str(caught.value) == f"{file}:2:7: the configuration file is not UTF-8 text"


def test_a_configuration_must_be_a_mapping(problems: Problems) -> None:
    assert problems("\n- a\n") == ["2:1: a configuration is a mapping of keys to values"]
