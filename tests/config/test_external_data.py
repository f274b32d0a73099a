"""Records that a configuration names: JSON and CSV, and what of a request finds them."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from pomerium_tw.config import ConfigError, external_data, record_files
from pomerium_tw.policy import ExternalData

from .conftest import Load, Problems

FINGERPRINT = "17859273e8a980631d367b2d5a6a6635412b0f22835f69e47b3f65624546a704"
Fault = Callable[..., str]


def entry(file: str, key: str = "user.id", record_type: str = "t") -> str:
    return f"external_data:\n  - {{record_type: {record_type}, foreign_key: '{key}', file: {file}}}\n"


@pytest.fixture
def fault(problems: Problems, tmp_path: Path) -> Fault:
    """The one problem of a file, its place in the configuration checked and left out."""

    def run(name: str, text: str, key: str = "user.id") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        (problem,) = problems(entry(name, key))
        column = len(f"  - {{record_type: t, foreign_key: '{key}', file: ") + 1
        return problem.removeprefix(f"2:{column}: file: ").replace(f"{tmp_path}/", "")

    return run


def test_json_is_an_array_of_objects(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('\ufeff[{"id": "u1", "n": 5}, {"id": "u2", "teams": ["a"]}]\n')
    (source,) = loaded(entry("s.json", record_type="example.com/s")).settings.external_data
    assert (source.record_type, source.foreign_key) == ("example.com/s", "user.id")
    assert source.file.path == tmp_path / "s.json"
    assert source.records == {"u1": {"id": "u1", "n": 5}, "u2": {"id": "u2", "teams": ["a"]}}
    assert "teams" not in repr(source)


def test_csv_has_its_names_in_the_first_row(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "s.CSV").write_text('id,department\r\nu1,"Sales, West"\r\n\r\nu2,\r\n')
    (source,) = loaded(entry("s.CSV")).settings.external_data
    assert source.records == {
        "u1": {"id": "u1", "department": "Sales, West"},
        "u2": {"id": "u2", "department": ""},
    }


def test_files_without_records_are_good(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id\n")
    (tmp_path / "s.json").write_text("[ ]")
    for name in ("s.csv", "s.json"):
        assert loaded(entry(name)).settings.external_data[0].records == {}


def test_the_user_id_is_the_default(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("[]")
    settings = loaded("external_data: [{record_type: t, file: s.json}]\n").settings
    assert settings.external_data[0].foreign_key == "user.id"
    assert loaded("").settings.external_data == ()


def test_a_field_called_like_the_foreign_key_is_the_key(loaded: Load, fault: Fault, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,user.id\nid1@example.com,user1\n")
    assert set(loaded(entry("s.csv")).settings.external_data[0].records) == {"user1"}
    assert set(loaded(entry("s.csv", "user.email")).settings.external_data[0].records) == {"id1@example.com"}
    mixed = '[{"id": "a"}, {"id": "b", "user.id": "u"}]'
    assert fault("m.json", mixed) == "m.json[0]: the user.id of the record is missing"


def test_numbers_are_keys_as_text(loaded: Load, fault: Fault, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('[{"id": 7}]')
    assert set(loaded(entry("s.json", "claim.staff_number")).settings.external_data[0].records) == {"7"}
    assert fault("b.json", '[{"id": true}]') == "b.json[0]: the id of the record is true or false, not text"
    assert fault("f.json", '[{"id": 7.5}]') == "f.json[0]: the id of the record is a number, not text"


def test_networks_come_from_index_field_or_id(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(
        '[{"id": "a", "$index": {"cidr": "10.1.2.3/24"}}, {"id": "192.0.2.1"}, {"id": "2001:db8::/32"},'
        ' {"id": "::ffff:198.51.100.7"}, {"id": "::ffff:172.16.0.0/108"}, {"id": "::/0"}]'
    )
    (source,) = loaded(entry("s.json", "request.ip")).settings.external_data
    texts = ["10.1.2.0/24", "192.0.2.1", "2001:db8::/32", "198.51.100.7", "172.16.0.0/12", "::/0"]
    assert set(source.records) == {ip_network(text) for text in texts}


def test_fingerprints_come_in_both_forms(loaded: Load, fault: Fault, tmp_path: Path) -> None:
    key = "request.client_certificate.fingerprint"
    pairs = [FINGERPRINT[index : index + 2] for index in range(0, 64, 2)]
    for written in (FINGERPRINT, ":".join(pairs).upper()):
        (tmp_path / "s.csv").write_text(f"id\n{written}\n")
        assert set(loaded(entry("s.csv", key)).settings.external_data[0].records) == {FINGERPRINT}
    assert fault("b.csv", "id\n17:85\n", key) == "b.csv:2: the id of the record is not a SHA-256 fingerprint"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "s.csv: the file is empty"),
        ("id,n,n\n", "s.csv:1: the field n stands twice"),
        ("id,,n\n", "s.csv:1: a field has no name"),
        ("id,n\nu1,1\nu2\n", "s.csv:3: the row has 1 fields, the first row 2"),
        ('id,n\n"u1","a\nb"\nu2,1,2\n', "s.csv:4: the row has 3 fields, the first row 2"),
        ('id,n\nu1,"a\n', "s.csv:2: CSV syntax: unexpected end of data"),
        ("name\nu1\n", "s.csv:2: the record has no id"),
        ("id\nu1\nu2\nu1\n", "s.csv:4: another record has the same id"),
        ("id,user.id\na,u1\nb,u1\n", "s.csv:3: another record has the same user.id"),
        ("id,user.id\na,u1\nb,\n", "s.csv:3: the user.id of the record is empty"),
    ],
)
def test_faults_of_csv_name_their_line(fault: Fault, text: str, message: str) -> None:
    assert fault("s.csv", text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "s.json:1:1: an array of objects is expected here"),
        ('{"id": "a"}', "s.json:1:1: an array of objects is expected here"),
        ('[{"id": "a"}, 5]', "s.json[1]: a record is an object, not a number"),
        ('[{"id": "a"}, {"n": 1}]', "s.json[1]: the record has no id"),
        ('[{"id": ""}]', "s.json[0]: the record has no id"),
        ('[{"id": "a", "x": {"n": 1, "n": 2}}]', "s.json[0]: the name n stands twice in one object"),
        ('[{"id": "a", "n": NaN}]', "s.json[0]: NaN is not a number of JSON"),
        ('[{"id": "a"},\n {"id": "a"}]', "s.json[1]: another record has the same id"),
        ('[{"id": "a"},\n  {"id" "b"}]', "s.json:2:9: JSON syntax: Expecting ':' delimiter"),
        ('[{"id": "a"},]', "s.json:1:14: JSON syntax: Expecting value"),
        ('[{"id": "a"}\n {"id": "b"}]', "s.json:2:2: JSON syntax: a comma or ] is expected here"),
        ('[{"id": "a"}', "s.json:1:13: JSON syntax: a comma or ] is expected here"),
        ("[", "s.json:1:2: JSON syntax: Expecting value"),
        ('[{"id": "a"}]\nx', "s.json:2:1: JSON syntax: text after the array"),
        (
            '[{"id": "a", "x": ' + "[" * 100_000,
            "s.json[0]: the record is nested too deeply, or has too long a number",
        ),
        (
            '[{"id": ' + "1" * 5_000 + "}]",
            "s.json[0]: the record is nested too deeply, or has too long a number",
        ),
    ],
)
def test_faults_of_json_name_their_record(fault: Fault, text: str, message: str) -> None:
    assert fault("s.json", text) == message


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"id": "10.0.0.0/33"}', "the id of the record is not an address or network"),
        ('{"id": "fe80::1%eth0/64"}', "the id of the record is not an address or network"),
        (
            '{"id": "a", "$index": {"cidr": "b"}}',
            "the cidr of $index of the record is not an address or network",
        ),
        ('{"id": "10.0.0.1", "$index": {"range": "b"}}', "$index of the record holds no cidr"),
        ('{"id": "10.0.0.1", "$index": "10.0.0.1"}', "$index of the record holds no cidr"),
        ('{"id": "10.0.0.9/8"}, {"id": "10.0.0.0/8"}', "another record has the same id"),
        ('{"id": "::ffff:10.0.0.1"}, {"id": "10.0.0.1"}', "another record has the same id"),
    ],
)
def test_faults_of_networks(fault: Fault, record: str, message: str) -> None:
    index = record.count('"id"') - 1
    assert fault("s.json", f"[{record}]", "request.ip") == f"s.json[{index}]: {message}"


def test_other_files_are_refused(fault: Fault, problems: Problems, tmp_path: Path) -> None:
    assert fault("s.yaml", "[]") == "s.yaml: the file is neither .json nor .csv"
    (problem,) = problems(entry("none.csv"))
    assert problem.endswith(f"{tmp_path}/none.csv cannot be read: No such file or directory")
    (tmp_path / "s.csv").write_bytes(b"id\n\xff\n")
    (problem,) = problems(entry("s.csv"))
    assert problem.endswith("s.csv: the file is not UTF-8 text")


def test_files_have_limits(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_files, "MAX_RECORDS", 2)
    assert fault("s.csv", "id\na\nb\nc\n") == "s.csv: the file has more than 2 records"
    monkeypatch.setattr(external_data, "MAX_RECORDS_BYTES", 5)
    assert fault("s.csv", "id\na\nb\n") == "s.csv is longer than 5 bytes"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            "{record_type: t, file: s.csv, foreign_key: user.name}",
            "2:48: foreign_key: this is not a foreign key",
        ),
        (
            "{record_type: t, file: s.csv, foreign_key: claim.}",
            "2:48: foreign_key: this is not a foreign key",
        ),
        ("{record_type: ' ', file: s.csv}", "2:19: record_type: the value is blank"),
        ("{file: s.csv}", "2:5: external_data: record_type is missing"),
        ("{record_type: t}", "2:5: external_data: file is missing"),
        (
            "{record_type: t, file: s.csv, foreign-key: user.id}",
            "2:35: external_data: there is no key foreign-key",
        ),
        ("t", "2:5: external_data: a mapping is expected here"),
    ],
)
def test_entries_have_three_keys(problems: Problems, tmp_path: Path, keys: str, problem: str) -> None:
    (tmp_path / "s.csv").write_text("id\n")
    assert problems(f"external_data:\n  - {keys}\n") == [problem]


def test_a_misspelt_key_is_answered_with_the_nearest(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id\n")
    with pytest.raises(ConfigError) as caught:
        loaded("external_data:\n  - {record_type: t, file: s.csv, foreign-key: user.id}\n")
    assert caught.value.problems[0].hint == "did you mean foreign_key?"


def test_a_record_type_stands_once(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id\n")
    line = "  - {record_type: t, file: s.csv}\n"
    assert problems(f"external_data:\n{line}{line}") == [
        "3:19: the record type t stands at external_data[0] too"
    ]


@pytest.mark.parametrize("key", [*external_data.FOREIGN_KEYS, "claim.team"])
def test_policies_know_every_foreign_key(loaded: Load, tmp_path: Path, key: str) -> None:
    (tmp_path / "s.csv").write_text("id\n")
    sources = loaded(entry("s.csv", key)).settings.external_data
    assert list(ExternalData(sources).types) == ["t"]
