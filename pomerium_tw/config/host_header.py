"""A Host that a route takes from a header which the route itself sets (spec/proxy §3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pomerium_tw.model import AUTHORITY

from .problem import Finding


def no_hosts(header: str, set_request_headers: Mapping[str, str]) -> Iterator[Finding]:
    """Values of ``header`` that are the same for every request, and no host: each request would be refused.

    What references make of a value is known when there is a request.
    """
    for name, value in set_request_headers.items():
        if name.lower() != header.lower() or "$" in value:
            continue
        if AUTHORITY.fullmatch(value.encode()) is None:
            message = f"host_rewrite_header makes the Host of {name}, and this is no host"
            hint = "write a host such as app.example.com, or app.example.com:8080"
            yield Finding(("set_request_headers", name), message, hint)
