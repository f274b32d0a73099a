"""What must hold between the keys of the top level (spec/proxy §1.1)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from . import header_checks, path_checks, pem, redirect_checks, rewrite_checks, session_checks, shadowed
from .files import SecretFile
from .flags import RUNTIME_FLAGS
from .log_fields import access_fault, authorize_fault
from .positions import KeyPath
from .problem import Finding
from .settings import Settings
from .upgrades import WEBSOCKET

_SECRET_FILES = (
    "shared_secret_file",
    "cookie_secret_file",
    "signing_key_file",
    "idp_client_secret_file",
    "certificate_key_file",
)


def findings(settings: Settings) -> Iterator[Finding]:
    """Errors and warnings between keys of the top level and between routes."""
    yield from _certificates(settings)
    yield from _exposed_files(settings)
    yield from _sign_in(settings)
    yield from _log_fields(settings)
    yield from _flags(settings)
    yield from _store(settings)
    yield from _record_types(settings)
    yield from _listeners(settings)
    yield from _trust(settings)
    yield from _denied_upstreams(settings)
    yield from _websocket_origins(settings)
    yield from header_checks.findings(settings)
    yield from shadowed.findings(settings)
    yield from path_checks.findings(settings)
    yield from rewrite_checks.findings(settings)
    yield from redirect_checks.findings(settings)
    yield from session_checks.findings(settings)


def left_out(settings: Settings) -> Iterator[Finding]:
    """What was left out and has a default that few want."""
    if not settings.insecure_server and not settings.certificate_pairs:
        message = "there is no certificate: browsers will warn of a self-signed one"
        yield Finding((), message, "set certificate_file and certificate_key_file", warning=True)
    for name in ("shared_secret", "cookie_secret"):
        if getattr(settings, name) is None:
            message = f"there is no {name}: one is made at each start, and everybody signs in again"
            yield Finding((), message, f"set {name}: head -c32 /dev/urandom | base64", warning=True)
    if not settings.all_routes:
        yield Finding(
            (), "there are no routes: nothing is served", "write routes: with from and to", warning=True
        )


def _certificates(settings: Settings) -> Iterator[Finding]:
    inline = (settings.certificate, settings.certificate_key)
    files = (settings.certificate_file, settings.certificate_key_file)
    for (chain, key), suffix in ((inline, ""), (files, "_file")):
        if (chain is None) != (key is None):
            given, missing = f"certificate{suffix}", f"certificate_key{suffix}"
            if chain is None:
                given, missing = missing, given
            yield Finding((given,), f"{given} is set, {missing} is not", f"set {missing} too")
    if inline[0] is not None and inline[1] is not None and not pem.belong_together(inline[0], inline[1]):
        yield _mismatch(("certificate_key",))
    if (
        files[0] is not None
        and files[1] is not None
        and not pem.belong_together(files[0].data, files[1].secret)
    ):
        yield _mismatch(("certificate_key_file",))
    for index, entry in enumerate(settings.certificates):
        if not pem.belong_together(entry.cert.data, entry.key.secret):
            yield _mismatch(("certificates", index, "key"))


def _mismatch(path: KeyPath) -> Finding:
    return Finding(
        path,
        "the private key is not that of the certificate",
        "give the key that the certificate was made for",
    )


def _exposed_files(settings: Settings) -> Iterator[Finding]:
    files: list[tuple[KeyPath, SecretFile | None]] = [
        ((name,), getattr(settings, name)) for name in _SECRET_FILES
    ]
    files += [
        (("certificates", index, "key"), entry.key) for index, entry in enumerate(settings.certificates)
    ]
    files += [
        ((*path, "kubernetes_service_account_token_file"), route.kubernetes_service_account_token_file)
        for path, route in settings.all_routes
    ]
    for path, file in files:
        if file is not None and file.exposed:
            message = f"{file.path}: every user of this machine may read this secret"
            yield Finding(path, message, f"chmod o-rwx {file.path}", warning=True)


def _sign_in(settings: Settings) -> Iterator[Finding]:
    url = settings.authenticate_service_url
    if settings.idp_provider and url is None:
        message = "idp_provider is set, authenticate_service_url is not"
        yield Finding(
            ("idp_provider",), message, "set authenticate_service_url: the hosted service is not built yet"
        )
    if url is not None and url.scheme == "http":
        message = "browsers do not send our cookies to http:// addresses"
        yield Finding(("authenticate_service_url",), message, "write https://", warning=True)
    if not settings.idp_provider:
        for path, route in settings.all_routes:
            if route.asks_for_sign_in and not route.allow_public_unauthenticated_access:
                message = "no idp_provider is set: nobody can sign in to this route"
                yield Finding((*path, "from"), message, "set idp_provider and its client", warning=True)
                return


def _log_fields(settings: Settings) -> Iterator[Finding]:
    for key, fault_of in (("access_log_fields", access_fault), ("authorize_log_fields", authorize_fault)):
        for index, name in enumerate(getattr(settings, key)):
            if fault := fault_of(name):
                yield Finding((key, index), f"{key}: the field {name} {fault}: left out", warning=True)


def _flags(settings: Settings) -> Iterator[Finding]:
    for name in settings.runtime_flags:
        if name not in RUNTIME_FLAGS:
            yield Finding(("runtime_flags", name), f"there is no runtime flag {name}: ignored", warning=True)


def _store(settings: Settings) -> Iterator[Finding]:
    key = "databroker_storage_connection_string"
    if (
        settings.databroker_storage_type == "memory"
        and settings.databroker_storage_connection_string is not None
    ):
        yield Finding((key,), f"{key} has no effect on the store memory", warning=True)


def _record_types(settings: Settings) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, source in enumerate(settings.external_data):
        if source.record_type in seen:
            where = f"external_data[{seen[source.record_type]}]"
            message = f"the record type {source.record_type} stands at {where} too"
            hint = "put the records into one file, or give them two types"
            yield Finding(("external_data", index, "record_type"), message, hint)
        seen.setdefault(source.record_type, index)


def _listeners(settings: Settings) -> Iterator[Finding]:
    address = settings.http_redirect_addr
    if address is not None and address.port and address == settings.address:
        message = "http_redirect_addr and address are the same"
        yield Finding(("http_redirect_addr",), message, "give the redirects a port of their own, such as :80")
    if address is not None and settings.insecure_server:
        message = "http_redirect_addr leads to https://, and insecure_server is set"
        hint = "something in front must offer TLS: nothing here answers at https://"
        yield Finding(("http_redirect_addr",), message, hint, warning=True)


def _trust(settings: Settings) -> Iterator[Finding]:
    """Who may say whom a request comes from (spec/proxy §3.2)."""
    hops, networks = "xff_num_trusted_hops", "trusted_proxies"
    if settings.xff_num_trusted_hops and not settings.trusted_proxies:
        message = f"{hops} trusts whoever connects: callers past your proxies may name any address as theirs"
        yield Finding((hops,), message, f"name the networks of your proxies in {networks}", warning=True)
    for index, network in enumerate(settings.trusted_proxies):
        if network.prefixlen == 0:
            message = "every address is in this network: callers may name any address as theirs"
            yield Finding((networks, index), message, "name the networks of your proxies", warning=True)


def _denied_upstreams(settings: Settings) -> Iterator[Finding]:
    """Upstreams named by an address that none may have; what names resolve to is seen when connecting."""
    for path, route in settings.all_routes if settings.upstream_deny_networks else ():
        for index, upstream in enumerate(route.upstreams):
            try:
                address = ip_address(upstream.host.strip("[]"))
            except ValueError:
                continue
            for network in settings.upstream_deny_networks:
                if address in network:
                    message = f"this upstream is never connected to: upstream_deny_networks has {network}"
                    yield Finding((*path, "to", index), message, "remove one of the two")


def _websocket_origins(settings: Settings) -> Iterator[Finding]:
    for path, route in settings.all_routes:
        if route.to and route.websocket_origins and WEBSOCKET not in settings.upgrades(route):
            message = "websocket_origins has no effect on a route without websockets"
            yield Finding((*path, "websocket_origins"), message, "set allow_websockets", warning=True)
