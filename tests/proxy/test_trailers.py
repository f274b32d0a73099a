from __future__ import annotations

import pytest

from pomerium_tw.proxy.response import ResponseRules
from pomerium_tw.proxy.trailers import passed_trailers
from pomerium_tw.session import owned_cookie_pattern

RULES = ResponseRules(frozenset((b"x-frame-options", b"x_odd.name")), owned_cookie_pattern("_pomerium"))


def test_results_travel_on_byte_for_byte() -> None:
    section = b"Grpc-Status: 0\r\ngrpc-MESSAGE:  ok \r\nServer-Timing: a;dur=1\r\n"
    assert passed_trailers(section, RULES) == section
    assert passed_trailers(b"", RULES) == b""


@pytest.mark.parametrize(
    "name",
    [
        *(b"X-Pomerium-Claim-Email", b"x_pomerium.jwt-assertion", b"X-Frame-Options", b"x_frame_options"),
        b"X_Odd.Name",
        *(
            b"Content-Length",
            b"Transfer-Encoding",
            b"Connection",
            b"Host",
            b"Trailer",
            b"TE",
            b"X-Request-Id",
        ),
        *(
            b"Set-Cookie",
            b"Location",
            b"Content-Type",
            b"Content-Encoding",
            b"Cache-Control",
            b"Authorization",
        ),
        *(b"Strict-Transport-Security", b"Content-Security-Policy", b"WWW-Authenticate"),
    ],
)
def test_what_is_ours_or_of_the_head_stays_here(name: bytes) -> None:
    assert passed_trailers(b"A: b\r\n" + name + b": c\r\nD: e\r\n", RULES) == b"A: b\r\nD: e\r\n"
