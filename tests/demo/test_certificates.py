"""The CA and its one certificate, as OpenSSL and browsers judge them."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from pomerium_tw.demo import Certificates, DemoError, ensure_certificates
from pomerium_tw.demo.certificates import RENEW_BEFORE
from pomerium_tw.demo.settings import HOSTS
from pomerium_tw.demo.state import StateFolder

NAMES = (*HOSTS, "localhost")
DAY = 86_400.0


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def handshake(certificates: Certificates, name: str) -> str:
    """Connect with the CA as the only trust; gives what was wrong, or ""."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificates.certificate_file, certificates.key_file)
    client = ssl.create_default_context(cafile=str(certificates.ca_file))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=name).close()
    except ssl.SSLError as error:
        return str(error)
    finally:
        ours.close()
        thread.join()
    return ""


def now_of_this_machine() -> float:
    import time

    return time.time()


def test_every_name_is_accepted_with_the_ca_and_no_other_name_is(state: StateFolder) -> None:
    certificates = ensure_certificates(state, NAMES, now_of_this_machine())
    for name in NAMES:
        assert handshake(certificates, name) == "", name
    assert "doesn't match" in handshake(certificates, "other.localhost") or "mismatch" in handshake(
        certificates, "other.localhost"
    )


def test_the_ca_can_vouch_for_nothing_outside_this_machine(state: StateFolder) -> None:
    certificates = ensure_certificates(state, ("bank.example", "localhost"), now_of_this_machine())
    assert "permitted subtree" in handshake(certificates, "bank.example")


def test_the_certificate_keeps_the_browsers_rules(state: StateFolder) -> None:
    certificates = ensure_certificates(state, NAMES, 2_000_000_000)
    leaf = read(certificates.certificate_file)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=398)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(NAMES)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_files_and_folder_are_private(state: StateFolder) -> None:
    ensure_certificates(state, NAMES, 2_000_000_000)
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700
    files = list(state.path.iterdir())
    assert len(files) == 4
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


def test_a_second_start_changes_nothing(state: StateFolder) -> None:
    first = ensure_certificates(state, NAMES, 2_000_000_000)
    before = {path: path.read_bytes() for path in state.path.iterdir()}
    assert ensure_certificates(state, NAMES, 2_000_000_000 + DAY) == first
    assert {path: path.read_bytes() for path in state.path.iterdir()} == before


@pytest.mark.parametrize(
    ("names", "days"), [(NAMES, 365 - RENEW_BEFORE.days + 1), (NAMES, 400), (NAMES, -1), (NAMES[:3], 0)]
)
def test_a_certificate_is_made_anew_when_names_or_time_want_it_and_the_ca_is_kept(
    state: StateFolder, names: tuple[str, ...], days: int
) -> None:
    certificates = ensure_certificates(state, NAMES, 2_000_000_000)
    authority, leaf = read(certificates.ca_file), read(certificates.certificate_file)
    ensure_certificates(state, names, 2_000_000_000 + days * DAY)
    assert read(certificates.ca_file) == authority
    renewed = read(certificates.certificate_file)
    assert renewed.serial_number != leaf.serial_number
    renewed.verify_directly_issued_by(authority)


def test_an_ending_ca_is_replaced_with_its_certificate(state: StateFolder) -> None:
    certificates = ensure_certificates(state, NAMES, 2_000_000_000)
    authority = read(certificates.ca_file)
    ensure_certificates(state, NAMES, 2_000_000_000 + 3640 * DAY)
    assert read(certificates.ca_file) != authority
    read(certificates.certificate_file).verify_directly_issued_by(read(certificates.ca_file))


@pytest.mark.parametrize("name", ["ca-key.pem", "server-key.pem", "server.pem"])
def test_a_missing_half_is_made_anew(state: StateFolder, name: str) -> None:
    certificates = ensure_certificates(state, NAMES, now_of_this_machine())
    state.file(name).unlink()
    ensure_certificates(state, NAMES, now_of_this_machine())
    assert handshake(certificates, "localhost") == ""


def test_a_broken_file_is_named_with_what_to_do(state: StateFolder) -> None:
    ensure_certificates(state, NAMES, 2_000_000_000)
    state.write("ca.pem", b"nonsense")
    with pytest.raises(DemoError, match=r"ca\.pem .* remove it"):
        ensure_certificates(state, NAMES, 2_000_000_000)
