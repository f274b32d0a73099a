"""Runtime flags and their defaults (spec/proxy §1.9)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RUNTIME_FLAGS: Mapping[str, bool] = MappingProxyType(
    {
        "add_extra_metrics_labels": True,
        "allow_any_sign_out_redirect_uri": False,
        "authorize_use_synced_data": True,
        "config_hot_reload": True,
        "debug_admin_endpoints": False,
        "envoy_resource_manager": True,
        "grpc_databroker_keepalive": True,
        "match_any_incoming_port": True,
        "mcp": True,
        "mcp_dynamic_client_registration": False,
        "pomerium_jwt_endpoint": False,
        "refresh_session_at_id_token_expiration": True,
        "routes_portal": True,
        "set_envoy_concurrency_to_go_max_procs": True,
        "ssh_allow_direct_tcpip": False,
        "ssh_routes_portal": False,
        "ssh_upstream_tunnel": False,
    }
)
"""Flag → default. Those that only concern Envoy, gRPC, MCP or SSH are accepted and change nothing."""
