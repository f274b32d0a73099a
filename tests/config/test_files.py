"""Files that a configuration names: certificates, keys, secrets."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .conftest import Load, Problems, pem_pair

RAW = bytes(range(32))
KEY = base64.b64encode(RAW).decode()


def put(folder: Path, name: str, data: bytes, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("name", ["shared_secret", "cookie_secret"])
def test_secrets_are_32_bytes_of_base64(loaded: Load, problems: Problems, name: str) -> None:
    secret = getattr(loaded(f"{name}: {KEY}\n").settings, name)
    assert secret.reveal() == RAW
    assert problems(f"{name}: YWJj\n") == [f"1:{len(name) + 3}: {name}: the secret is 3 bytes long, not 32"]
    assert problems(f"{name}: ' {KEY}'\n") == [
        f"1:{len(name) + 3}: {name}: the secret has blanks or line breaks around it"
    ]


def test_earlier_secrets_are_lists(loaded: Load, problems: Problems) -> None:
    found = loaded(f"cookie_secret_previous: [{KEY}]\nshared_secret_previous: '{KEY},{KEY}'\n").settings
    assert [secret.reveal() for secret in found.cookie_secret_previous] == [RAW]
    assert len(found.shared_secret_previous) == 2
    assert problems(f"cookie_secret_previous: [{KEY}, x]\n") == [
        f"1:{28 + len(KEY)}: cookie_secret_previous: this is not base64"
    ]


def test_a_file_wins_over_the_inline_value(loaded: Load, tmp_path: Path) -> None:
    put(tmp_path, "s", base64.b64encode(b"f" * 32) + b"\n")
    put(tmp_path, "c", b" client secret \n")
    text = f"shared_secret: {KEY}\nshared_secret_file: s\nidp_client_secret: x\nidp_client_secret_file: c\n"
    settings = loaded(text).settings
    assert settings.shared_secret is not None
    assert settings.shared_secret.reveal() == b"f" * 32
    assert settings.idp_client_secret is not None
    assert settings.idp_client_secret.reveal() == b"client secret"
    assert "client secret" not in repr(settings)


def test_broken_files_name_path_and_key(problems: Problems, tmp_path: Path) -> None:
    put(tmp_path, "short", b"YWJj")
    put(tmp_path, "empty", b"\n")
    text = "shared_secret_file: short\nidp_client_secret_file: empty\ncookie_secret_file: none\n"
    assert problems(text) == [
        f"1:21: shared_secret_file: {tmp_path}/short: the secret is 3 bytes long, not 32",
        f"2:25: idp_client_secret_file: {tmp_path}/empty: the file is empty",
        f"3:21: cookie_secret_file: {tmp_path}/none cannot be read: No such file or directory",
    ]


def test_a_secret_that_everybody_may_read_is_told(warnings: Problems, tmp_path: Path) -> None:
    path = put(tmp_path, "s", KEY.encode(), 0o644)
    text = "shared_secret_file: s\n"
    assert warnings(text) == [f"1:21: {path}: every user of this machine may read this secret"]
    path.chmod(0o640)
    assert warnings(text) == []


def test_certificates_come_in_order(loaded: Load, tmp_path: Path) -> None:
    (one, one_key), (two, two_key), (three, three_key) = pem_pair("1"), pem_pair("2"), pem_pair("3")
    for name, data in (("2.pem", two), ("2.key", two_key), ("3.pem", three), ("3.key", three_key)):
        put(tmp_path, name, data)
    inline = [base64.b64encode(data).decode() for data in (one, one_key)]
    text = (
        f"certificate: {inline[0]}\ncertificate_key: {inline[1]}\n"
        "certificates: [{cert: 2.pem, key: 2.key}]\ncertificate_file: 3.pem\ncertificate_key_file: 3.key\n"
    )
    pairs = loaded(text).settings.certificate_pairs
    assert [pair.chain for pair in pairs] == [one, two, three]
    assert [pair.key.reveal() for pair in pairs] == [one_key, two_key, three_key]


def test_a_key_of_another_certificate_is_refused(problems: Problems, tmp_path: Path) -> None:
    (chain, _), (_, other) = pem_pair("1"), pem_pair("2")
    put(tmp_path, "c", chain)
    put(tmp_path, "k", other)
    text = "certificates:\n  - {cert: c, key: k}\ncertificate_file: c\ncertificate_key_file: k\n"
    message = "the private key is not that of the certificate"
    assert problems(text) == [f"2:20: {message}", f"4:23: {message}"]


def test_half_a_pair_is_refused(problems: Problems, tmp_path: Path) -> None:
    chain, key = pem_pair()
    put(tmp_path, "c", chain)
    text = f"certificate_key: {base64.b64encode(key).decode()}\ncertificate_file: c\n"
    assert problems(text) == [
        "1:18: certificate_key is set, certificate is not",
        "2:19: certificate_file is set, certificate_key_file is not",
    ]


def test_entries_of_certificates_have_two_keys(problems: Problems, tmp_path: Path) -> None:
    chain, key = pem_pair()
    put(tmp_path, "c", chain)
    put(tmp_path, "k", key)
    assert problems("certificates:\n  - {cert: c, kee: k}\n  - x\n") == [
        "2:5: certificates: key is missing",
        "2:15: certificates: there is no key kee",
        "3:5: certificates: a mapping is expected here",
    ]


def test_broken_pem_is_refused(problems: Problems, tmp_path: Path) -> None:
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    put(tmp_path, "locked", locked)
    put(tmp_path, "text", b"hello")
    text = "certificate_file: text\ncertificate_key_file: locked\ncertificate_authority_file: text\n"
    assert problems(text) == [
        f"1:19: certificate_file: {tmp_path}/text: this is not PEM of certificates",
        f"2:23: certificate_key_file: {tmp_path}/locked: the private key is locked by a passphrase",
        f"3:29: certificate_authority_file: {tmp_path}/text: this is not PEM of certificates",
    ]


@pytest.mark.parametrize("broken", ["certificate_file", "certificate_key_file"])
def test_what_stands_beside_a_broken_half_is_not_alone(
    problems: Problems, tmp_path: Path, broken: str
) -> None:
    chain, key = pem_pair()
    files = {"certificate_file": chain, "certificate_key_file": key, broken: b"hello"}
    for name, content in files.items():
        put(tmp_path, name, content)
    (only,) = problems("certificate_file: certificate_file\ncertificate_key_file: certificate_key_file\n")
    assert f": {broken}: {tmp_path}/{broken}: " in only


def test_authorities_inline_and_by_file(loaded: Load, tmp_path: Path) -> None:
    inline, by_file = pem_pair("1")[0], pem_pair("2")[0]
    put(tmp_path, "ca", by_file)
    text = f"certificate_authority: {base64.b64encode(inline).decode()}\n"
    assert loaded(text).settings.certificate_authority == inline
    assert loaded(text + "certificate_authority_file: ca\n").settings.certificate_authority == by_file
    route = "routes:\n  - {from: https://a.b, to: https://c, policy: p, tls_custom_ca_file: ca}\n"
    assert loaded(route).settings.routes[0].tls_custom_ca == by_file


def test_signing_keys_are_pem_or_base64_of_pem(loaded: Load, problems: Problems, tmp_path: Path) -> None:
    key = pem_pair()[1]
    put(tmp_path, "k", base64.b64encode(key) + b"\n")
    for text in (
        f"signing_key: {base64.b64encode(key).decode()}\n",
        "signing_key: |\n  " + key.decode().replace("\n", "\n  ") + "\n",
        "signing_key_file: k\n",
    ):
        found = loaded(text).settings.signing_key
        assert found is not None
        assert found.reveal() == key.strip()
    assert problems("signing_key: aGVsbG8=\n") == ["1:14: signing_key: this is not PEM of signing keys"]


def test_policy_files_are_read(loaded: Load, problems: Problems, tmp_path: Path) -> None:
    put(tmp_path, "p.ppl", b"text")
    (file,) = loaded("policy_files: [p.ppl]\n").settings.policy_files
    assert (file.path, file.text) == (tmp_path / "p.ppl", "text")
    put(tmp_path, "bad.ppl", b"\xff")
    assert problems("policy_files: [p.ppl, bad.ppl]\n") == [
        f"1:23: policy_files: {tmp_path}/bad.ppl: the file is not UTF-8 text"
    ]


def test_the_stores_folder_may_come_from_a_file(loaded: Load, problems: Problems, tmp_path: Path) -> None:
    put(tmp_path, "dsn", b"file:///var/lib/store\n")
    text = "databroker_storage_connection_string_file: dsn\n"
    assert loaded(text).settings.storage_folder == Path("/var/lib/store")
    put(tmp_path, "dsn", b"postgres://h/d\n")
    assert problems(text) == [
        "1:44: databroker_storage_connection_string_file:"
        f" {tmp_path}/dsn: the store is a folder: a path or file:///path"
    ]
