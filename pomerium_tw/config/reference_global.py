"""The rows of the reference for the top level of a configuration (spec/proxy §1, Appendix C)."""

from __future__ import annotations

from .reference_key import Key, Status, names
from .reference_traffic import TRAFFIC_KEYS

_BUILT = [
    Key(
        "services",
        Status.BUILT,
        "list of service names",
        "all",
        "Which services this process runs; today all of them.",
    ),
    Key(
        "address",
        Status.BUILT,
        "host:port",
        ":443",
        "Where the main listener waits. Without a host: on every address.",
    ),
    Key(
        "insecure_server",
        Status.BUILT,
        "boolean",
        "false",
        "Listen in clear text, behind something that ends TLS.",
    ),
    Key("certificate", Status.BUILT, "base64 of PEM", "", "Server certificate chain; with certificate_key."),
    Key("certificate_key", Status.BUILT, "base64 of PEM", "", "Private key of certificate."),
    Key(
        "certificate_file",
        Status.BUILT,
        "path",
        "",
        "Server certificate chain (PEM); with certificate_key_file.",
    ),
    Key("certificate_key_file", Status.BUILT, "path", "", "Private key of certificate_file."),
    Key(
        "certificates",
        Status.BUILT,
        "list of {cert, key} paths",
        "[]",
        "Further server certificates.",
        env=False,
    ),
    Key(
        "certificate_authority",
        Status.BUILT,
        "base64 of PEM",
        "",
        "Roots trusted beside the system's, for all we call.",
    ),
    Key("certificate_authority_file", Status.BUILT, "path", "", "The same from a file; the file wins."),
    Key("shared_secret", Status.BUILT, "base64 of 32 bytes", "", "The secret that all services share."),
    Key("shared_secret_file", Status.BUILT, "path", "", "The same from a file; the file wins."),
    Key(
        "cookie_secret", Status.BUILT, "base64 of 32 bytes", "", "Seals what a browser holds during sign-in."
    ),
    Key("cookie_secret_file", Status.BUILT, "path", "", "The same from a file; the file wins."),
    Key(
        "signing_key",
        Status.BUILT,
        "PEM or base64 of PEM",
        "",
        "Signs assertions: the first key signs, all are published.",
    ),
    Key("signing_key_file", Status.BUILT, "path", "", "The same from a file; the file wins."),
    Key("authenticate_service_url", Status.BUILT, "URL", "", "Where browsers reach the sign-in service."),
    Key("signout_redirect_url", Status.BUILT, "URL", "", "Where a browser goes after sign-out."),
    Key(
        "cookie_name", Status.BUILT, "token", "_pomerium", "Name of the session cookie; never sent upstream."
    ),
    Key(
        "cookie_domain",
        Status.BUILT,
        "domain",
        "",
        "Domain whose hosts share the session cookie; authenticate_service_url must be in it. Hosts outside "
        "of it, or all where it is unset, each have a cookie of their own.",
    ),
    Key("cookie_http_only", Status.BUILT, "boolean", "true", "Keep the session cookie from scripts."),
    Key("cookie_expire", Status.BUILT, "duration", "14h", "Lifetime of a session."),
    Key(
        "cookie_same_site", Status.BUILT, "lax, strict, none", "", "SameSite attribute of the session cookie."
    ),
    Key("idp_provider", Status.BUILT, "name", "", "Kind of identity provider."),
    Key("idp_provider_url", Status.BUILT, "URL", "", "Issuer of the identity provider."),
    Key("idp_client_id", Status.BUILT, "text", "", "Client id at the identity provider."),
    Key("idp_client_secret", Status.BUILT, "text", "", "Client secret at the identity provider."),
    Key("idp_client_secret_file", Status.BUILT, "path", "", "The same from a file; the file wins."),
    Key("idp_scopes", Status.BUILT, "list", "", "Scopes to ask for, in place of the provider's defaults."),
    Key(
        "idp_request_params",
        Status.BUILT,
        "map",
        "",
        "Extra sign-in parameters; an empty map removes the provider's.",
    ),
    Key(
        "databroker_storage_type",
        Status.BUILT,
        "sqlite, file, memory",
        "sqlite",
        "Where sessions are kept; file means sqlite.",
    ),
    Key(
        "databroker_storage_connection_string",
        Status.BUILT,
        "path or file: URL",
        "",
        "Folder of the store; unset: state_dir.",
    ),
    Key(
        "databroker_storage_connection_string_file",
        Status.BUILT,
        "path",
        "",
        "The same from a file; the file wins.",
    ),
    Key(
        "pass_identity_headers",
        Status.BUILT,
        "boolean",
        "false",
        "Send the assertion and claim headers upstream.",
    ),
    Key(
        "jwt_claims_headers",
        Status.BUILT,
        "map, list or text",
        "{}",
        "Claims to send upstream as headers of their own.",
    ),
    Key(
        "jwt_issuer_format",
        Status.BUILT,
        "hostOnly, uri",
        "hostOnly",
        "How the assertion's issuer is written.",
    ),
    Key(
        "jwt_groups_filter",
        Status.BUILT,
        "list",
        "[]",
        "Ids of directory groups that upstreams are told; none: all.",
    ),
    Key(
        "set_response_headers",
        Status.BUILT,
        "map",
        "X-Frame-Options, X-XSS-Protection, Strict-Transport-Security",
        "Headers of every answer; replaces the defaults. The key disable empties the set.",
        env_name="HEADERS",
    ),
    Key("log_level", Status.BUILT, "level", "info", "Least level of operational messages."),
    Key(
        "proxy_log_level", Status.BUILT, "level", "log_level", "The access log is written at info and below."
    ),
    Key("access_log_fields", Status.BUILT, "list", "", "Fields of the access log."),
    Key("authorize_log_fields", Status.BUILT, "list", "", "Fields of the authorize log."),
    Key("policy", Status.BUILT, "list of routes", "[]", "Routes; they come before those of routes."),
    Key("routes", Status.BUILT, "list of routes", "[]", "Routes, in order: the first match wins."),
    Key(
        "runtime_flags",
        Status.BUILT,
        "map of booleans",
        "",
        "Switches of behaviour, merged over their defaults.",
    ),
]

_OURS = [
    Key(
        "forwarded_assertion_grace",
        Status.OURS,
        "duration",
        "0",
        "Time past its end that the assertion of an original user is still passed on.",
    ),
    Key(
        "compat_forward_unverified_assertion",
        Status.OURS,
        "boolean",
        "false",
        "Pass on assertions of original users unread, as Pomerium does.",
    ),
    Key(
        "policy_files",
        Status.OURS,
        "list of paths",
        "[]",
        "Files of policies, in either notation, for routes to name.",
    ),
    Key(
        "strict_policy",
        Status.OURS,
        "boolean",
        "false",
        "Refuse policies that let callers in by surprise, and routes that another with other callers hides;"
        " compare e-mail domains strictly.",
    ),
    Key(
        "external_data",
        Status.OURS,
        "list of {record_type, foreign_key, file}",
        "[]",
        "Records for the criterion record: files of JSON or CSV, and what of a request finds its record.",
        env=False,
    ),
    Key("workers", Status.OURS, "number", "1", "Processes that serve; today one."),
    Key(
        "state_dir",
        Status.OURS,
        "path",
        "$XDG_STATE_HOME/pomerium-tw, else ~/.local/state/pomerium-tw",
        "Folder of what must outlive a restart.",
    ),
    Key(
        "cookie_secret_previous",
        Status.OURS,
        "list of base64 of 32 bytes",
        "[]",
        "Earlier cookie secrets, still accepted.",
    ),
    Key(
        "shared_secret_previous",
        Status.OURS,
        "list of base64 of 32 bytes",
        "[]",
        "Earlier shared secrets, still accepted.",
    ),
]

_REFUSED = [
    Key(
        "downstream_mtls",
        Status.REFUSED,
        "map",
        "",
        "Which client certificates are accepted, and whether one is required.",
        members=("ca", "ca_file", "crl", "crl_file", "enforcement", "max_verify_depth"),
    ),
    Key(
        "bearer_token_format",
        Status.REFUSED,
        "default, idp_access_token, idp_identity_token, jwt",
        "default",
        "What a bearer token is taken for.",
        harmless=frozenset({"default", "bearer_token_format_default", "bearer_token_format_unknown"}),
    ),
]

_NOT_BUILT = names(
    """
    installation_id authenticate_internal_service_url
    idp_access_token_allowed_audiences identity_providers authorize_service_url authorize_service_urls
    authorize_internal_service_url override_certificate_name tls_derive debug_address metrics_address
    metrics_basic_auth metrics_certificate metrics_certificate_key metrics_certificate_file
    metrics_certificate_key_file metrics_client_ca metrics_client_ca_file grpc_address grpc_insecure
    grpc_client_timeout ssh_address ssh_host_key_files ssh_host_keys ssh_user_ca_key_file
    ssh_user_ca_key google_cloud_serverless_authentication_service_account
    envoy_bind_config_source_address envoy_bind_config_freebind
    programmatic_redirect_domain_whitelist mcp_allowed_client_id_domains mcp_allowed_as_metadata_domains
    health_check_addr health_check_systemd_disabled autocert autocert_ca autocert_email
    autocert_use_staging autocert_eab_key_id autocert_eab_mac_key autocert_must_staple autocert_dir
    autocert_trusted_ca autocert_trusted_ca_file databroker_internal_service_url databroker_service_url
    databroker_service_urls otel_traces_exporter otel_traces_sampler_arg otel_resource_attributes
    otel_log_level otel_attribute_value_length_limit otel_exporter_otlp_endpoint
    otel_exporter_otlp_traces_endpoint otel_exporter_otlp_protocol otel_exporter_otlp_traces_protocol
    otel_exporter_otlp_headers otel_exporter_otlp_traces_headers otel_exporter_otlp_timeout
    otel_exporter_otlp_traces_timeout otel_bsp_schedule_delay otel_bsp_max_export_batch_size
    dns_failure_refresh_rate dns_lookup_family dns_query_timeout dns_query_tries dns_refresh_rate
    dns_use_tcp dns_resolvers
    """
)

_BREAKERS = Key(
    "circuit_breaker_thresholds",
    Status.NOT_BUILT,
    "map",
    "",
    "Limits of connections and requests for each upstream.",
    members=(
        "max_connections",
        "max_pending_requests",
        "max_requests",
        "max_retries",
        "max_connection_pools",
    ),
)

_FOREIGN = {
    "envoy_admin_access_log_path": "Envoy's administration listener.",
    "envoy_admin_profile_path": "Envoy's administration listener.",
    "envoy_admin_address": "Envoy's administration listener.",
    "envoy_dynamic_extensions": "Envoy's plug-ins.",
    "ssh_rls_enabled": "Envoy's rate limit of SSH.",
    "ssh_rls_additional_entries": "Envoy's rate limit of SSH.",
    "databroker_cluster_leader_id": "Pomerium's Raft cluster.",
    "databroker_cluster_node_id": "Pomerium's Raft cluster.",
    "databroker_cluster_nodes": "Pomerium's Raft cluster.",
    "databroker_raft_bind_address": "Pomerium's Raft cluster.",
    "blob_storage": "Pomerium's session recording.",
    "session_recording_concurrency": "Pomerium's session recording.",
    "auto_apply_changesets": "Pomerium's configuration service.",
    "dns_udp_max_queries": "Envoy's resolver.",
    "http3_advertise_port": "Pomerium's settings service.",
    "primary_color": "Pomerium Enterprise's branding.",
    "secondary_color": "Pomerium Enterprise's branding.",
    "darkmode_primary_color": "Pomerium Enterprise's branding.",
    "darkmode_secondary_color": "Pomerium Enterprise's branding.",
    "logo_url": "Pomerium Enterprise's branding.",
    "favicon_url": "Pomerium Enterprise's branding.",
    "error_message_first_paragraph": "Pomerium Enterprise's branding.",
}

_GROUPS = "Groups come from the identity provider's claims or from a directory provider."
_TRACING = "Tracing is configured by the otel_* keys."

_REMOVED = {
    "client_ca": "Use downstream_mtls.ca.",
    "client_ca_file": "Use downstream_mtls.ca_file.",
    "idp_service_account": _GROUPS,
    "idp_refresh_directory_timeout": _GROUPS,
    "idp_refresh_directory_interval": _GROUPS,
    "idp_qps": _GROUPS,
    "tracing_datadog_address": _TRACING,
    "tracing_jaeger_collector_endpoint": _TRACING,
    "tracing_jaeger_agent_endpoint": _TRACING,
    "tracing_zipkin_endpoint": _TRACING,
    "tracing_provider": _TRACING,
    "tracing_sample_rate": "Use otel_traces_sampler_arg.",
    "policy_file": "Write the routes into routes, or policies of the text notation into policy_files.",
}

GLOBAL_KEYS: tuple[Key, ...] = (
    *_BUILT,
    *_OURS,
    *TRAFFIC_KEYS,
    *_REFUSED,
    *(Key(name, Status.NOT_BUILT, "", "", "") for name in _NOT_BUILT),
    _BREAKERS,
    *(Key(name, Status.FOREIGN, "", "", text, env=name != "blob_storage") for name, text in _FOREIGN.items()),
    *(Key(name, Status.REMOVED, "", "", text) for name, text in _REMOVED.items()),
)
