"""The rows of the reference for one route (spec/proxy §2.1, Appendix C)."""

from __future__ import annotations

from .reference_key import Key, Status, names

_BUILT = [
    Key("name", Status.BUILT, "text", "", "Name for people."),
    Key("description", Status.BUILT, "text", "", "Description for people."),
    Key("from", Status.BUILT, "URL", "", "What callers ask for; * stands for any text in the host."),
    Key(
        "to",
        Status.BUILT,
        "URL[,weight] or a list",
        "",
        "Upstreams: http://, https://, or unix:///path and https+unix:///path of a socket.",
    ),
    Key("prefix", Status.BUILT, "text", "/", "Paths that begin with it match."),
    Key("path", Status.BUILT, "text", "", "The one path that matches."),
    Key("regex", Status.BUILT, "RE2", "", "Paths that it matches as a whole."),
    Key(
        "redirect",
        Status.BUILT,
        "map",
        "",
        "Answer with a redirect in place of an upstream. What is not named stays as the caller asked:"
        " https_redirect or scheme_redirect, host_redirect, port_redirect, path_redirect or prefix_rewrite;"
        " strip_query leaves the query out, response_code is 301, 302, 303, 307 or 308.",
    ),
    Key("response", Status.BUILT, "{status, body}", "", "Answer with a text in place of an upstream."),
    Key("prefix_rewrite", Status.BUILT, "path", "", "Takes the place of the matched prefix or path."),
    Key(
        "regex_rewrite_pattern",
        Status.BUILT,
        "RE2",
        "",
        "What it finds in the path becomes regex_rewrite_substitution; not beside prefix_rewrite.",
    ),
    Key(
        "regex_rewrite_substitution",
        Status.BUILT,
        "text",
        "",
        "\\1 is the first group of the pattern, \\0 all that it found.",
    ),
    Key("host_rewrite", Status.BUILT, "host or host:port", "", "Host header for the upstream."),
    Key(
        "host_rewrite_header",
        Status.BUILT,
        "header name",
        "",
        "The caller's header whose value is the Host header for the upstream.",
    ),
    Key(
        "host_path_regex_rewrite_pattern",
        Status.BUILT,
        "RE2",
        "",
        "Makes the Host header for the upstream of the path, by host_path_regex_rewrite_substitution.",
    ),
    Key(
        "host_path_regex_rewrite_substitution",
        Status.BUILT,
        "text",
        "",
        "\\1 is the first group of the pattern, \\0 all that it found.",
    ),
    Key("preserve_host_header", Status.BUILT, "boolean", "false", "Send the caller's Host header upstream."),
    Key("allow_websockets", Status.BUILT, "boolean", "false", "Let connections become websockets."),
    Key("allow_spdy", Status.BUILT, "boolean", "false", "Let connections be upgraded to spdy/3.1."),
    Key(
        "allow_upgrades",
        Status.BUILT,
        "list of protocols",
        "global value",
        "What else connections may be upgraded to; replaces the global list.",
    ),
    Key(
        "cors_allow_preflight",
        Status.BUILT,
        "boolean",
        "false",
        "Let CORS preflight requests pass without a session.",
    ),
    Key("allow_public_unauthenticated_access", Status.BUILT, "boolean", "false", "Let everybody in."),
    Key("allow_any_authenticated_user", Status.BUILT, "boolean", "false", "Let every signed-in user in."),
    Key("allowed_users", Status.BUILT, "list", "[]", "User ids and e-mail addresses to let in."),
    Key("allowed_domains", Status.BUILT, "list", "[]", "E-mail domains to let in."),
    Key("allowed_idp_claims", Status.BUILT, "map of lists", "{}", "Claims to let in by."),
    Key("policy", Status.BUILT, "policy, {file: path} or name", "", "Who is let in, and who is not."),
    Key(
        "timeout",
        Status.BUILT,
        "duration",
        "default_upstream_timeout",
        "Time for the upstream to answer, kept to the second. 0 is off, and the default of routes with"
        " upgrades.",
    ),
    Key(
        "idle_timeout",
        Status.BUILT,
        "duration",
        "5m",
        "Time without a byte in either direction, kept to the second. 0 is off, and the default of"
        " routes with upgrades.",
    ),
    Key(
        "set_request_headers",
        Status.BUILT,
        "map",
        "{}",
        "Headers for the upstream; may hold references such as ${pomerium.jwt}, $$ is a dollar sign.",
    ),
    Key("remove_request_headers", Status.BUILT, "list", "[]", "Headers to keep from the upstream."),
    Key("set_response_headers", Status.BUILT, "map", "{}", "Headers of every answer, over the global ones."),
    Key(
        "rewrite_response_headers",
        Status.BUILT,
        "list of {header, prefix, value}",
        "[]",
        "Headers of the upstream's answers: where one begins with prefix, it begins with value instead.",
    ),
    Key(
        "pass_identity_headers",
        Status.BUILT,
        "boolean",
        "global value",
        "Send the assertion and claim headers upstream.",
    ),
    Key(
        "jwt_issuer_format",
        Status.BUILT,
        "hostOnly, uri",
        "global value",
        "How the assertion's issuer is written.",
    ),
    Key(
        "jwt_groups_filter",
        Status.BUILT,
        "list",
        "[]",
        "Ids of directory groups to tell the upstream, besides those of the global list; none: all.",
    ),
    Key(
        "kubernetes_service_account_token",
        Status.BUILT,
        "text",
        "",
        "Token of the account that impersonates callers at a Kubernetes API.",
    ),
    Key("kubernetes_service_account_token_file", Status.BUILT, "path", "", "The same from a file."),
    Key("tls_skip_verify", Status.BUILT, "boolean", "false", "Accept any certificate of the upstream."),
    Key(
        "tls_server_name", Status.BUILT, "host", "", "Name to send and to verify in place of the upstream's."
    ),
    Key("tls_upstream_server_name", Status.BUILT, "host", "", "The same; wins over tls_server_name."),
    Key(
        "tls_custom_ca", Status.BUILT, "base64 of PEM", "", "Roots trusted for this upstream, and no others."
    ),
    Key("tls_custom_ca_file", Status.BUILT, "path", "", "The same from a file; the file wins."),
    Key("show_error_details", Status.BUILT, "boolean", "false", "Tell a denied caller which rule said no."),
]

_DEFAULT_BEARER = frozenset({"default", "bearer_token_format_default", "bearer_token_format_unknown"})

_OURS = [
    Key(
        "path_with_escaped_slashes_action",
        Status.OURS,
        "keep_unchanged, reject_request",
        "global value",
        "What to do with %2F and %5C in paths of this route.",
    ),
    Key(
        "websocket_origins",
        Status.OURS,
        "list of origins, or *",
        "[]",
        "Whose pages may open websockets, besides those of the route itself.",
    ),
    Key(
        "max_request_body",
        Status.OURS,
        "bytes",
        "global value",
        "Longest body of a request; longer ones get 413. 0 is off.",
    ),
]

_REFUSED = [
    Key(
        "tls_downstream_client_ca",
        Status.REFUSED,
        "base64 of PEM",
        "",
        "Client certificates that this route accepts.",
    ),
    Key("tls_downstream_client_ca_file", Status.REFUSED, "path", "", "The same from a file."),
    Key("sub_policies", Status.REFUSED, "list", "", "Further policies of this route."),
    Key(
        "bearer_token_format",
        Status.REFUSED,
        "name",
        "default",
        "What a bearer token is taken for.",
        harmless=_DEFAULT_BEARER,
    ),
    Key(
        "idp_client_id",
        Status.REFUSED,
        "text",
        "",
        "Another client of the identity provider for this route alone.",
    ),
    Key("idp_client_secret", Status.REFUSED, "text", "", "Secret of that client."),
    Key("mcp", Status.REFUSED, "map", "", "Makes it an MCP server or client; mcp_tool sees its calls."),
]

_NOT_BUILT = names(
    """
    logo_url regex_priority_order tls_downstream_server_name
    tls_client_cert tls_client_key tls_client_cert_file tls_client_key_file
    tls_upstream_allow_renegotiation enable_google_cloud_serverless_authentication
    idp_access_token_allowed_audiences identity_providers depends_on circuit_breaker_thresholds
    upstream_tunnel outlier_detection health_checks healthy_panic_threshold load_balancing_policy
    """
)

_FOREIGN = {
    "session_recording": "Pomerium's session recording.",
}

_REMOVED = {
    "allowed_groups": "Use a policy with the criterion groups, or allowed_idp_claims.",
    "set_authorization_header": "Use set_request_headers.",
}

ROUTE_KEYS: tuple[Key, ...] = (
    *_BUILT,
    *_OURS,
    *_REFUSED,
    *(Key(name, Status.NOT_BUILT, "", "", "") for name in _NOT_BUILT),
    *(Key(name, Status.FOREIGN, "", "", text) for name, text in _FOREIGN.items()),
    *(Key(name, Status.REMOVED, "", "", text) for name, text in _REMOVED.items()),
)
