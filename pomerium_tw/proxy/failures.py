"""How exchanges fail on the data path: what the client is told, what the log says (spec/proxy §3.10)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from OpenSSL.SSL import Error as SSLError
from service_identity import VerificationError
from twisted.internet import defer
from twisted.internet.error import DNSLookupError, TCPTimedOutError, UnknownHostError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.python.failure import Failure

from ..pages import ErrorFacts, texts

MAX_ERROR_CHARACTERS = 300
"""Of an error in the log: upstreams have a say in some."""

CLIENT_GONE = "downstream_remote_disconnect"
"""Details of an exchange whose client left before its answer (flag DC): there is nobody to tell."""
CLIENT_STALLED = "stream_flush_timeout"
"""Details of an exchange whose client took nothing of its answer for too long (flag SI): it is reset."""
CLIENT_HALF_CLOSED = "downstream_half_closed_timeout"
"""Details of an exchange whose client had closed its own side, and for which nothing came that would have
shown whether it is still there (flag DC): it is reset."""

_BEFORE = "upstream_reset_before_response_started"
_AFTER = "upstream_reset_after_response_started"


@dataclass(frozen=True, slots=True)
class Failed:
    """One way to fail."""

    facts: ErrorFacts
    """What the client is told while no answer has begun."""
    late: str
    """Details for the access log once an answer has begun; the client's connection is reset then."""
    error: str = ""
    """What an operator needs to know besides, addresses and foreign text among it; "" is nothing."""
    of_client: bool = False
    """The client's doing: no concern of the upstream's, and no reason to warn anybody."""

    @property
    def status(self) -> int:
        return self.facts.status

    @property
    def flag(self) -> str:
        """Response flag; "" where the field has none."""
        return self.facts.flag

    @property
    def details(self) -> str:
        """``response-code-details`` of the access log, and ``statusText`` for programs."""
        return self.facts.reason_text

    def because(self, error: str) -> Failed:
        """The same, with what the log is to say."""
        if len(error) > MAX_ERROR_CHARACTERS:
            error = error[: MAX_ERROR_CHARACTERS - 1] + "…"
        return replace(self, error=error)


# --- the way to the upstream ----------------------------------------------------------------------

REFUSED = Failed(texts.upstream_unreachable(f"{_BEFORE}{{connection_failure}}"), _AFTER)
"""Nothing listens there, or no network leads there."""
CONNECT_TIMEOUT = Failed(texts.upstream_unreachable(f"{_BEFORE}{{connection_timeout}}"), _AFTER)
TLS_FAILED = Failed(texts.upstream_unreachable(f"{_BEFORE}{{connection_failure|TLS_error}}"), _AFTER)
UNRESOLVED = Failed(texts.upstream_unresolved(), _AFTER)
NO_HEALTHY_UPSTREAM = Failed(texts.no_healthy_upstream(), _AFTER)
OVERFLOW = Failed(texts.upstream_overflow(), f"{_AFTER}{{overflow}}")

# --- the upstream's answer ------------------------------------------------------------------------

DROPPED = Failed(texts.upstream_dropped(), f"{_AFTER}{{connection_termination}}")
"""The connection ended before the answer did."""
MALFORMED = Failed(texts.upstream_malformed(), f"{_AFTER}{{protocol_error}}")
TIMEOUT = Failed(texts.upstream_timeout(), "upstream_response_timeout")
"""The route's time-out: the answer was not there in full."""

# --- both sides, or the client's ------------------------------------------------------------------

IDLE_ANSWER = Failed(texts.upstream_timeout("stream_idle_timeout", "SI"), "stream_idle_timeout")
"""The request is there in full, and no byte came for the route's idle time-out."""
IDLE_REQUEST = Failed(texts.request_timeout("stream_idle_timeout", "SI"), "stream_idle_timeout")
"""The same while the client still had to send."""
LONG_ANSWER = Failed(texts.upstream_timeout("max_duration_timeout", "DT"), "max_duration_timeout")
"""The exchange took longer than any may (``timeout_write``)."""
LONG_REQUEST = Failed(texts.request_timeout("max_duration_timeout", "DT"), "max_duration_timeout")
"""The same while the client still had to send."""
REQUEST_TIMEOUT = Failed(texts.request_timeout(), "request_overall_timeout")
"""The request was not there in full in its time (``timeout_read``)."""
BODY_TOO_SLOW = Failed(texts.request_timeout("request_body_too_slow"), "request_body_too_slow")
"""The body came slower than ``min_body_rate`` (spec/threats DO-02)."""
BODY_TOO_LARGE = Failed(texts.request_too_large(), "request_payload_too_large")
"""The body is longer than the route's ``max_request_body``."""
BODY_MALFORMED = Failed(texts.request_malformed(), "request_body_malformed", of_client=True)
"""The chunks of the body are not such."""


def of_connect_failure(failure: Failure) -> Failed:
    """Why there is no connection, by what the endpoint failed with."""
    if failure.check(SSLError, VerificationError):
        return _of_tls(failure)
    if failure.check(DNSLookupError, UnknownHostError):
        kind = UNRESOLVED
    elif failure.check(ConnectTimeout, TCPTimedOutError, defer.TimeoutError):
        kind = CONNECT_TIMEOUT
    else:
        kind = REFUSED
    return kind.because(failure.getErrorMessage() or repr(failure.value))


def of_lost_connection(failure: Failure) -> Failed:
    """Why a connection ended before its answer did. What TLS says of it is for the log (spec/proxy §3.10)."""
    reason = _openssl_reason(failure.value) if failure.check(SSLError) else ""
    return DROPPED.because(reason or failure.getErrorMessage() or repr(failure.value))


def _of_tls(failure: Failure) -> Failed:
    """OpenSSL's words for it are a fixed list, which tells a visitor no address and no name."""
    if failure.check(VerificationError):
        reason = "certificate is for another name"
    else:
        reason = _openssl_reason(failure.value)
    if not reason:
        return TLS_FAILED.because(failure.getErrorMessage() or repr(failure.value))
    details = f"{_BEFORE}{{connection_failure|TLS_error:{reason.replace(' ', '_')}}}"
    return replace(TLS_FAILED, facts=texts.upstream_unreachable(details)).because(reason)


def _openssl_reason(error: BaseException | None) -> str:
    """The first reason in OpenSSL's error queue; "" when there is none, as when the connection just ended."""
    queue = error.args[0] if error is not None and error.args else None
    if not isinstance(queue, list) or not queue:
        return ""
    *_, reason = queue[0]
    return str(reason)


def idle(*, request_complete: bool) -> Failed:
    """Nothing moved for the route's idle time-out: whose turn it was decides the status."""
    return IDLE_ANSWER if request_complete else IDLE_REQUEST


def too_long(*, request_complete: bool) -> Failed:
    """The exchange outlived ``timeout_write``."""
    return LONG_ANSWER if request_complete else LONG_REQUEST
