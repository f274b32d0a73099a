from __future__ import annotations

import base64
import re
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from bench import heads
from bench.heads import HOSTS, Head, Load
from bench.hits import ASSERTION_SECONDS, History
from bench.sessions import DATABASE, Sessions, copy, email_of
from bench.stage import write_certificate
from pomerium_tw.authorize.upstream_headers import REUSE_SECONDS
from pomerium_tw.databroker import SESSION, USER, Record
from pomerium_tw.model import Secret
from pomerium_tw.service.parts import DATABASE_NAME
from pomerium_tw.session import CookieSettings, HandleCodec, SessionHandle, session_of, user_of
from pomerium_tw.token import subkey

SECRET = base64.b64encode(bytes(range(32))).decode()
CODEC = HandleCodec(subkey(Secret(bytes(range(32))), "session-handle"), issuer="authenticate.localhost")
HANDLE = SessionHandle("s", "u", ("app00.localhost",), "idp", 1_700_000_000, 7)
COOKIE = f"{CookieSettings().session_name('a')}={CODEC.encode(HANDLE)}"
STAND_INS = Sessions(8080, None)


def cookie_of(head: Head) -> list[str]:
    line = next(line for line in head.data.split(b"\r\n") if line.startswith(b"Cookie: "))
    return line.removeprefix(b"Cookie: ").decode().split("; ")


def test_a_copy_of_a_session_has_a_handle_of_its_own_for_every_host() -> None:
    people = Sessions.like(8080, f"other=1; {COOKIE}", SECRET)
    name, _, value = people.cookie(3, "app05.localhost").partition("=")
    handle = CODEC.decode(value)
    assert name == CookieSettings().session_name("a")
    assert (handle.id, handle.user_id, handle.audience) == ("s-3", "u-3", ("app05.localhost",))
    assert (handle.idp_id, handle.issued_at, handle.record_version) == ("idp", 1_700_000_000, 7)
    assert CODEC.decode(people.cookie(0, HOSTS[0]).partition("=")[2]) == HANDLE


def test_the_records_of_a_copy_name_another_person() -> None:
    claims = {"email": ["user@example.com"], "name": ["User"]}
    user = Record.new(USER, "u", {"id": "u", "email": "user@example.com", "name": "User", "claims": claims})
    data = {"id": "s", "user_id": "u", "idp_id": "i", "issued_at": 1, "expires_at": 2, "claims": claims}
    copied_user, copied_session = copy(Record.new(SESSION, "s", data), user, 9)
    person, held = user_of(copied_user), session_of(copied_session)
    assert (person.id, person.email, person.claims["email"]) == ("u-9", email_of(9), (email_of(9),))
    assert (held.id, held.user_id, held.claims["email"]) == ("s-9", "u-9", (email_of(9),))
    assert user.data["email"] == "user@example.com"


def test_what_is_known_of_the_product_is_still_so() -> None:
    assert DATABASE == DATABASE_NAME
    assert ASSERTION_SECONDS == REUSE_SECONDS


def test_the_mixed_load_sends_every_caller_to_every_host_once() -> None:
    load = heads.mixed(STAND_INS, callers=30)
    assert sorted((head.session, head.host) for head in load) == [(c, h) for c in range(30) for h in HOSTS]
    assert len({head.block for head in load}) == len(load)
    assert {len(head.data) > 500 for head in load} == {True}
    assert any(a.session != b.session and a.host != b.host for a, b in pairwise(load))


def test_the_order_of_cookies_differs() -> None:
    orders = {
        tuple(re.sub("=.*", "", cookie) for cookie in cookie_of(h)) for h in heads.mixed(STAND_INS)[:50]
    }
    assert len(orders) > 1


def test_nobody_comes_twice_in_the_cold_load_nor_was_in_the_mixed_one() -> None:
    load = heads.cold(STAND_INS, 1000, 200)
    assert [head.session for head in load] == list(range(1000, 1200))


def test_the_same_bytes_come_out_every_time() -> None:
    assert heads.mixed(STAND_INS, callers=3) == heads.mixed(STAND_INS, callers=3)


def test_a_line_is_added_inside_the_head() -> None:
    (head,) = heads.warm(STAND_INS)
    closing = heads.with_line(head, "Connection", "close").data
    assert closing == head.data[:-2] + b"Connection: close\r\n\r\n"


def load(*callers: int, blocks: str = "same") -> Load:
    from pathlib import Path

    made = [
        Head(f"GET /{n} HTTP/1.1\r\nX: {c if blocks == 'same' else n}\r\n\r\n".encode(), c, "h")
        for n, c in enumerate(callers)
    ]
    return Load("test", Path(), made)


def test_one_request_over_and_over_hits_but_for_the_first_of_each_connection() -> None:
    hits = History().play(load(1), 0, 100, 0.0, 1.0, 10)
    assert (hits.block, hits.caller, hits.assertion) == (0.9, 0.99, 0.99)


def test_a_block_is_the_same_under_another_request_line_but_not_on_another_connection() -> None:
    assert History().play(load(1, 1), 0, 2, 0.0, 1.0, 1).block == 0.5
    assert History().play(load(1, 1), 0, 2, 0.0, 1.0, 2).block == 0
    assert History().play(load(1, 1, blocks="unlike"), 0, 2, 0.0, 1.0, 1).block == 0


def test_callers_are_known_to_the_process_from_earlier_loads() -> None:
    history = History()
    assert history.play(load(1, 2, 3, 4), 0, 2, 0.0, 1.0, 1).caller == 0
    assert history.play(load(1, 2, 3, 4), 0, 4, 2.0, 1.0, 1).caller == 0.5


def test_a_load_goes_on_where_it_stopped() -> None:
    history = History()
    history.play(load(1, 2, 3, 4), 0, 2, 0.0, 1.0, 1)
    assert history.play(load(1, 2, 3, 4), 2, 3, 2.0, 1.0, 1).caller == 1 / 3


def test_an_old_assertion_is_signed_again() -> None:
    history = History()
    history.play(load(1), 0, 1, 0.0, 0.0, 1)
    assert history.play(load(1), 0, 1, ASSERTION_SECONDS - 0.1, 0.0, 1).assertion == 1
    again = history.play(load(1), 0, 1, ASSERTION_SECONDS, 0.0, 1)
    assert (again.assertion, again.caller) == (0, 1)


def test_the_certificate_is_an_ecdsa_one_for_all_hosts(tmp_path) -> None:  # type: ignore[no-untyped-def]
    write_certificate(tmp_path)
    made = x509.load_pem_x509_certificate((tmp_path / "certificate.pem").read_bytes())
    key = made.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "*.localhost"]
