"""The rows of the reference for connections and requests (spec/proxy §1.4, §3.2)."""

from __future__ import annotations

from .reference_key import Key, Status

_BUILT = [
    Key(
        "http_redirect_addr",
        Status.BUILT,
        "host:port",
        "",
        "Where a second listener waits, in clear text, that sends browsers to https://. Unset: nowhere.",
    ),
    Key(
        "use_proxy_protocol",
        Status.BUILT,
        "boolean",
        "false",
        "Every connection to our listeners must begin with a PROXY protocol header, version 1 or 2.",
    ),
    Key("codec_type", Status.BUILT, "auto, http1", "auto", "Protocols of the main listener."),
    Key(
        "default_upstream_timeout",
        Status.BUILT,
        "duration",
        "30s",
        "Time for an upstream to answer, where the route says none; kept to the second.",
    ),
    Key("timeout_read", Status.BUILT, "duration", "30s", "Time for a whole request to arrive; 0 is off."),
    Key(
        "timeout_write",
        Status.BUILT,
        "duration",
        "0",
        "Time for a whole request and its whole answer, or for a websocket; 0 is off.",
    ),
    Key(
        "timeout_idle",
        Status.BUILT,
        "duration",
        "5m",
        "Time a connection may wait without a request; 0 is off.",
    ),
    Key(
        "merge_slashes",
        Status.BUILT,
        "boolean",
        "true",
        "Make one slash of several before matching and forwarding.",
    ),
    Key(
        "normalize_path",
        Status.BUILT,
        "boolean",
        "true",
        "Resolve dot segments before matching and forwarding.",
    ),
    Key(
        "path_with_escaped_slashes_action",
        Status.BUILT,
        "keep_unchanged, reject_request, unescape_and_redirect, unescape_and_forward",
        "reject_request",
        "What to do with %2F and %5C in a path.",
    ),
    Key(
        "headers_with_underscores_action",
        Status.BUILT,
        "allow, reject_request, drop_header",
        "reject_request",
        "What to do with header names that hold an underscore.",
    ),
    Key(
        "allow_upgrades",
        Status.BUILT,
        "list of protocols",
        "[]",
        "What connections may be upgraded to on every route, such as websocket; a route's own list wins.",
    ),
    Key("skip_xff_append", Status.BUILT, "boolean", "false", "Leave X-Forwarded-For as it came."),
    Key(
        "xff_num_trusted_hops",
        Status.BUILT,
        "number",
        "0",
        "Proxies in front of us: X-Forwarded-Proto counts, and the caller is the address at that place of"
        " X-Forwarded-For, from the right. With trusted_proxies, only on connections from one of them.",
    ),
]

_OURS = [
    Key(
        "trusted_proxies",
        Status.OURS,
        "list of networks",
        "[]",
        "Networks of the proxies in front of us: X-Forwarded-For and -Proto of their connections count."
        " Without xff_num_trusted_hops the caller is the last of X-Forwarded-For that is in none of them.",
    ),
    Key(
        "timeout_header",
        Status.OURS,
        "duration",
        "10s",
        "Time for the head of a request to arrive, and on a new connection for the TLS handshake and the head"
        " together. 0 is off: then only silence ends, after timeout_idle.",
    ),
    Key(
        "min_body_rate",
        Status.OURS,
        "bytes a second",
        "256",
        "How fast the body of a request must arrive, after 10 seconds; 0 is off.",
    ),
    Key("max_connections", Status.OURS, "number", "50000", "Connections of callers at the same time."),
    Key(
        "max_connections_per_client",
        Status.OURS,
        "number",
        "1000",
        "The same for one address; 0 is off.",
    ),
    Key(
        "max_request_body",
        Status.OURS,
        "bytes",
        "0",
        "Longest body of a request, where the route says none; longer ones get 413. 0 is off.",
    ),
    Key(
        "upstream_deny_networks",
        Status.OURS,
        "list of networks",
        "[]",
        "Addresses that no upstream may have, whatever its name resolves to.",
    ),
]

TRAFFIC_KEYS: tuple[Key, ...] = (*_BUILT, *_OURS)
