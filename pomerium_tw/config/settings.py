"""The whole configuration as decoded values (spec/proxy §1); field names are Pomerium's keys.

Secrets are :class:`~pomerium_tw.model.Secret`, durations seconds, PEM is bytes. What a ``_file`` key holds
takes the place of the inline value in :meth:`Settings.with_files`, which the loader calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pomerium_tw.model import Secret
from pomerium_tw.telemetry import DEFAULT_ACCESS_FIELDS, DEFAULT_AUTHORIZE_FIELDS

from .addresses import Address, Service, WebURL
from .choices import (
    Codec,
    CookieDomain,
    CookieLifetime,
    CookieName,
    Level,
    ListenAddress,
    LogLevel,
    MostConnections,
    RedirectAddress,
    SameSite,
    Services,
    SlashesAction,
    Storage,
    StoreFolder,
    StorePath,
    UnderscoresAction,
    Workers,
)
from .external_data import ExternalSource
from .files import (
    CertificatesPath,
    ConfigPath,
    KeyPath32,
    PrivateKeyPath,
    SecretPath,
    SigningKeysPath,
    TextPath,
)
from .flags import RUNTIME_FLAGS
from .headers import DEFAULT_RESPONSE_HEADERS, DISABLE, HSTS, ClaimsHeaders, ResponseHeaders
from .networks import Networks
from .pem import CertificatesPEM, Key32, PrivateKeyPEM, SigningKeysPEM
from .positions import KeyPath
from .route_settings import JWTIssuerFormat, RouteSettings
from .upgrades import SPDY, WEBSOCKET, Upgrades
from .values import Count, Flag, FlagMap, Seconds, SecretText, SmallCount, Text, TextMap, Texts, listed

_CONFIG = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)


class CertificateFiles(BaseModel):
    """One entry of ``certificates``."""

    model_config = _CONFIG

    cert: CertificatesPath
    key: PrivateKeyPath


class CertificatePair(NamedTuple):
    """A server certificate chain and its private key, both PEM."""

    chain: bytes
    key: Secret


class Settings(BaseModel):
    """A configuration that has passed every check of values; the loader adds the checks between keys."""

    model_config = _CONFIG

    services: Services = "all"
    insecure_server: Flag = False  # stands before address, whose default port it decides
    address: ListenAddress = Address("", 443)
    http_redirect_addr: RedirectAddress = None
    """Where plain HTTP is answered with redirects to HTTPS; None for nowhere."""
    use_proxy_protocol: Flag = False
    workers: Workers = 1
    state_dir: ConfigPath = Field(default_factory=Path.cwd)

    certificate: CertificatesPEM | None = None
    certificate_key: PrivateKeyPEM | None = None
    certificate_file: CertificatesPath | None = None
    certificate_key_file: PrivateKeyPath | None = None
    certificates: tuple[CertificateFiles, ...] = ()
    certificate_authority: CertificatesPEM = b""
    certificate_authority_file: CertificatesPath | None = None

    shared_secret: Key32 | None = None
    shared_secret_file: KeyPath32 | None = None
    shared_secret_previous: Annotated[tuple[Key32, ...], BeforeValidator(listed)] = ()
    cookie_secret: Key32 | None = None
    cookie_secret_file: KeyPath32 | None = None
    cookie_secret_previous: Annotated[tuple[Key32, ...], BeforeValidator(listed)] = ()
    signing_key: SigningKeysPEM | None = None
    signing_key_file: SigningKeysPath | None = None

    authenticate_service_url: Service | None = None
    signout_redirect_url: WebURL = ""
    cookie_name: CookieName = "_pomerium"
    cookie_domain: CookieDomain = ""
    cookie_http_only: Flag = True
    cookie_expire: CookieLifetime = 14 * 3600.0
    cookie_same_site: SameSite = ""

    idp_provider: Text = ""
    idp_provider_url: Text = ""
    idp_client_id: Text = ""
    idp_client_secret: SecretText | None = None
    idp_client_secret_file: SecretPath | None = None
    idp_scopes: Texts = ()
    idp_request_params: TextMap | None = None
    """None keeps the provider's own; an empty map removes them."""

    databroker_storage_type: Storage = "sqlite"
    databroker_storage_connection_string: StoreFolder | None = None
    databroker_storage_connection_string_file: StorePath | None = None

    pass_identity_headers: Flag = False
    jwt_claims_headers: ClaimsHeaders = Field(default_factory=dict)
    """Header → claim."""
    jwt_issuer_format: JWTIssuerFormat = "hostOnly"
    jwt_groups_filter: Texts = ()
    forwarded_assertion_grace: Seconds = 0.0
    compat_forward_unverified_assertion: Flag = False
    set_response_headers: ResponseHeaders | None = None
    """As written; :meth:`response_headers` says what is sent."""
    skip_xff_append: Flag = False
    xff_num_trusted_hops: SmallCount = 0
    trusted_proxies: Networks = ()

    default_upstream_timeout: Seconds = 30.0
    timeout_read: Seconds = 30.0
    timeout_idle: Seconds = 300.0
    timeout_write: Seconds = 0.0
    timeout_header: Seconds = 10.0
    min_body_rate: Count = 256
    """Bytes a second."""
    max_connections: MostConnections = 50_000
    max_connections_per_client: SmallCount = 1000
    max_request_body: Count = 0
    """Bytes."""
    upstream_deny_networks: Networks = ()
    allow_upgrades: Upgrades = ()
    codec_type: Codec = "auto"
    merge_slashes: Flag = True
    normalize_path: Flag = True
    path_with_escaped_slashes_action: SlashesAction = "reject_request"
    headers_with_underscores_action: UnderscoresAction = "reject_request"

    log_level: Level = "info"
    proxy_log_level: Level | None = None
    access_log_fields: Texts = DEFAULT_ACCESS_FIELDS
    authorize_log_fields: Texts = DEFAULT_AUTHORIZE_FIELDS
    runtime_flags: FlagMap = Field(default_factory=dict)
    """As written; :meth:`flag` knows the defaults."""

    strict_policy: Flag = False
    policy_files: Annotated[tuple[TextPath, ...], BeforeValidator(listed)] = ()
    external_data: tuple[ExternalSource, ...] = ()
    policy: tuple[RouteSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = ()

    @property
    def all_routes(self) -> tuple[tuple[KeyPath, RouteSettings], ...]:
        """Every route in matching order, ``policy`` first, with its path for :meth:`Loaded.span`."""
        return (
            *((("policy", index), route) for index, route in enumerate(self.policy)),
            *((("routes", index), route) for index, route in enumerate(self.routes)),
        )

    @property
    def certificate_pairs(self) -> tuple[CertificatePair, ...]:
        """Server certificates: inline, then the list, then the file pair (spec/proxy §1.3)."""
        pairs = []
        if self.certificate is not None and self.certificate_key is not None:
            pairs.append(CertificatePair(self.certificate, self.certificate_key))
        pairs.extend(CertificatePair(entry.cert.data, entry.key.secret) for entry in self.certificates)
        if self.certificate_file is not None and self.certificate_key_file is not None:
            pairs.append(CertificatePair(self.certificate_file.data, self.certificate_key_file.secret))
        return tuple(pairs)

    @property
    def access_log_level(self) -> LogLevel:
        """Level of the data path's log: the access log is written at trace, debug and info."""
        return self.proxy_log_level or self.log_level

    @property
    def storage_folder(self) -> Path:
        """Folder of the embedded store."""
        return self.databroker_storage_connection_string or self.state_dir

    def flag(self, name: str) -> bool:
        """A runtime flag; its default where the configuration does not say. KeyError for an unknown one."""
        return self.runtime_flags.get(name, RUNTIME_FLAGS[name])

    def response_headers(self, route: RouteSettings | None = None) -> dict[str, str]:
        """What is written on every answer (of a route), global and route values merged (spec/proxy §3.9).

        Names that differ only in case are one header; the route's value wins.
        """
        merged = self._global_response_headers()
        if route is not None:
            if DISABLE in route.set_response_headers:
                return {}
            for name, value in route.set_response_headers.items():
                for known in [known for known in merged if known.lower() == name.lower()]:
                    del merged[known]
                merged[name] = value
        return merged

    def passes_identity(self, route: RouteSettings) -> bool:
        """Whether the upstreams of a route are sent the assertion and claim headers (spec/proxy §3.4)."""
        own = route.pass_identity_headers
        return self.pass_identity_headers if own is None else own

    def upgrades(self, route: RouteSettings) -> frozenset[str]:
        """Protocols that connections of a route may be upgraded to, in lower case (spec/proxy §1.4, §2.1)."""
        named = self.allow_upgrades if route.allow_upgrades is None else route.allow_upgrades
        kubernetes = route.kubernetes_service_account_token is not None
        found = {*named}
        if route.allow_websockets or kubernetes:
            found.add(WEBSOCKET)
        if route.allow_spdy or kubernetes:
            found.add(SPDY)
        return frozenset(found)

    def _global_response_headers(self) -> dict[str, str]:
        if self.set_response_headers is not None:
            return {} if DISABLE in self.set_response_headers else dict(self.set_response_headers)
        defaults = dict(DEFAULT_RESPONSE_HEADERS)
        if not self.certificate_pairs:
            del defaults[HSTS]
        return defaults

    def with_files(self) -> Self:
        """The same settings with what their files hold in the place of inline values: the file wins."""
        found: dict[str, Any] = {}
        for name in ("shared_secret", "cookie_secret", "signing_key", "idp_client_secret"):
            if (file := getattr(self, f"{name}_file")) is not None:
                found[name] = file.secret
        if self.certificate_authority_file is not None:
            found["certificate_authority"] = self.certificate_authority_file.data
        if self.databroker_storage_connection_string_file is not None:
            found["databroker_storage_connection_string"] = (
                self.databroker_storage_connection_string_file.folder
            )
        return self.model_copy(update=found)
