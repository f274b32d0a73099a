"""What to write for keys of other names: other proxies', older ones', and keys in another spelling."""

from __future__ import annotations

from collections.abc import Mapping

from .reference import ROUTE, Key, closest

_TOP_WORDS: Mapping[str, str] = {
    "headers": "did you mean set_response_headers?",
    "request_headers": "write set_request_headers, in a route",
    "tls_cert": "did you mean certificate?",
    "tls_key": "did you mean certificate_key?",
    "tls_cert_file": "did you mean certificate_file?",
    "tls_key_file": "did you mean certificate_key_file?",
    "cert_file": "did you mean certificate_file?",
    "key_file": "did you mean certificate_key_file?",
    "ca_file": "did you mean certificate_authority_file?",
    "tls_ca_file": "did you mean certificate_authority_file?",
    "lb_policy": "write load_balancing_policy, in a route",
}
_BALANCING = (
    "lb_config",
    "least_request_lb_config",
    "maglev_lb_config",
    "ring_hash_lb_config",
    "round_robin_lb_config",
)
_ROUTE_WORDS: Mapping[str, str] = {
    **dict.fromkeys(_BALANCING, "write load_balancing_policy: it has no settings of its own"),
    "headers": "write set_request_headers for the upstream, set_response_headers for the caller",
    "tls_cert_file": "write certificate_file at the top level: it is shown to callers",
    "tls_key_file": "write certificate_key_file at the top level",
    "tls_cert": "write certificate at the top level: it is shown to callers",
    "tls_key": "write certificate_key at the top level",
    "cert_file": "write certificate_file at the top level: it is shown to callers",
    "key_file": "write certificate_key_file at the top level",
    "ca_file": "did you mean tls_custom_ca_file?",
    "lb_policy": "did you mean load_balancing_policy?",
    "upstream": "did you mean to?",
}
"""Names whose nearest key by letters is another one by meaning."""


def hint_for(name: str, table: Mapping[str, Key]) -> str:
    """What to write for a key that ``table`` (of the top level, or of routes) does not have."""
    spelled = name.strip().lower().replace("-", "_")
    words = _ROUTE_WORDS if table is ROUTE else _TOP_WORDS
    if hint := words.get(spelled):
        return hint
    near = spelled if spelled in table else closest(spelled, table)
    return f"did you mean {near}?" if near else "see the list of keys"
