"""One route as it is written (spec/proxy §2.1); field names are Pomerium's keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationInfo

from pomerium_tw.model import Substitution, Upstream

from .addresses import NO_FROM, Authority, From, HostName, flatten, parse_to
from .answers import RedirectSettings, ResponseSettings
from .choices import RouteSlashesAction
from .files import CertificatesPath, SecretPath, TextFile, read_text
from .headers import HeaderName, RequestHeaders, ResponseHeaders
from .pem import CertificatesPEM
from .problem import DecodeError
from .rewriting import (
    HeaderOrNone,
    HeaderRewriteSettings,
    HostReplacement,
    PathReplacement,
    PathText,
    Regex,
)
from .upgrades import Origins, Upgrades
from .values import Count, Flag, Seconds, SecretText, Text, Texts, choice, kind_of, listed, mapped, word

JWTIssuerFormat = Annotated[
    Literal["hostOnly", "uri"],
    PlainValidator(choice("jwt_issuer_format", {"hostOnly": "HOST_ONLY", "uri": "URI"}, default="hostOnly")),
]


@dataclass(frozen=True, slots=True)
class InlinePolicy:
    """A policy in Pomerium's notation, as plain data."""

    data: Any


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """Policies in the text notation, in a file that this route alone names."""

    file: TextFile


@dataclass(frozen=True, slots=True)
class PolicyName:
    """A policy that one of policy_files holds."""

    name: str


@dataclass(frozen=True, slots=True)
class Target:
    """One ``to`` entry."""

    upstream: Upstream
    weighted: bool
    """The entry names its weight."""


def _policy(value: Any, info: ValidationInfo) -> InlinePolicy | PolicyFile | PolicyName:
    if isinstance(value, str):
        return PolicyName(word(value))
    if isinstance(value, Mapping) and set(value) == {"file"}:
        return PolicyFile(read_text(value["file"], info))
    if isinstance(value, Mapping | list):
        return InlinePolicy(value)
    raise DecodeError(
        f"a policy is a list of rules, {{file: path}} or the name of a policy, not {kind_of(value)}",
    )


def _target(value: Any) -> Target:
    return Target(*parse_to(value))


def _claims(value: Any) -> dict[str, Any]:
    found = mapped(value)
    for name, wanted in found.items():
        if wanted is None:
            raise DecodeError(f"the claim {name} names no value", "write the list of values to let in")
    return found


class RouteSettings(BaseModel):
    """One route. Durations are seconds; None means that the route leaves the choice to the global setting."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    name: Text = ""
    description: Text = ""
    from_: From = Field(default=NO_FROM, alias="from")
    to: Annotated[tuple[Annotated[Target, PlainValidator(_target)], ...], BeforeValidator(flatten)] = ()
    prefix: Text = ""
    path: Text = ""
    regex: Regex = ""
    redirect: RedirectSettings | None = None
    response: ResponseSettings | None = None
    prefix_rewrite: PathText = ""
    regex_rewrite_pattern: Regex = ""
    regex_rewrite_substitution: PathReplacement = ""
    host_rewrite: Authority = ""
    host_rewrite_header: HeaderOrNone = ""
    host_path_regex_rewrite_pattern: Regex = ""
    host_path_regex_rewrite_substitution: HostReplacement = ""
    preserve_host_header: Flag = False
    path_with_escaped_slashes_action: RouteSlashesAction | None = None
    allow_websockets: Flag = False
    allow_spdy: Flag = False
    allow_upgrades: Upgrades | None = None
    """In the place of the global list; None leaves that in force."""
    websocket_origins: Origins = ()
    max_request_body: Count | None = None
    """Bytes."""
    cors_allow_preflight: Flag = False
    allow_public_unauthenticated_access: Flag = False
    allow_any_authenticated_user: Flag = False
    allowed_users: Texts = ()
    allowed_domains: Texts = ()
    allowed_idp_claims: Annotated[Mapping[str, Any], BeforeValidator(_claims)] = Field(default_factory=dict)
    policy: Annotated[InlinePolicy | PolicyFile | PolicyName | None, PlainValidator(_policy)] = None
    timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    set_request_headers: RequestHeaders = Field(default_factory=dict)
    remove_request_headers: Annotated[tuple[HeaderName, ...], BeforeValidator(listed)] = ()
    set_response_headers: ResponseHeaders = Field(default_factory=dict)
    rewrite_response_headers: tuple[HeaderRewriteSettings, ...] = ()
    pass_identity_headers: Flag | None = None
    jwt_issuer_format: JWTIssuerFormat | None = None
    jwt_groups_filter: Texts = ()
    kubernetes_service_account_token: SecretText | None = None
    kubernetes_service_account_token_file: SecretPath | None = None
    tls_skip_verify: Flag = False
    tls_server_name: HostName = ""
    tls_upstream_server_name: HostName = ""
    tls_custom_ca: CertificatesPEM = b""
    tls_custom_ca_file: CertificatesPath | None = None
    show_error_details: Flag = False

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        """The ``to`` entries."""
        return tuple(target.upstream for target in self.to)

    @cached_property
    def id(self) -> str:
        """Digest of from, path rules and what answers: equal routes have equal ids (spec/proxy §2.2)."""
        answers: Any = [
            (upstream.scheme, upstream.host, upstream.port, upstream.path, upstream.weight)
            for upstream in self.upstreams
        ]
        if self.redirect is not None:
            answers = {"redirect": astuple(self.redirect.redirect)}
        elif self.response is not None:
            answers = {"response": astuple(self.response.response)}
        identity = json.dumps([str(self.from_), self.prefix, self.path, self.regex, answers])
        return hashlib.sha256(identity.encode()).hexdigest()[:16]

    @property
    def regex_rewrite(self) -> Substitution | None:
        """What becomes of the path; None for no rewriting by a pattern."""
        pattern = self.regex_rewrite_pattern
        return Substitution(pattern, self.regex_rewrite_substitution) if pattern else None

    @property
    def host_path_rewrite(self) -> Substitution | None:
        """How the Host is made of the path; None for not at all."""
        pattern = self.host_path_regex_rewrite_pattern
        return Substitution(pattern, self.host_path_regex_rewrite_substitution) if pattern else None

    @property
    def server_name(self) -> str:
        """The name to send and verify on TLS to the upstream; "" for the upstream's own."""
        return self.tls_upstream_server_name or self.tls_server_name

    @property
    def asks_for_sign_in(self) -> bool:
        """Whether one of the older keys lets signed-in callers in; policies are not looked at."""
        return bool(
            self.allow_any_authenticated_user
            or self.allowed_users
            or self.allowed_domains
            or self.allowed_idp_claims
        )

    @property
    def lets_somebody_in(self) -> bool:
        """Whether any key could allow a caller."""
        return bool(
            self.allow_public_unauthenticated_access
            or self.asks_for_sign_in
            or (self.policy is not None and self.policy not in (InlinePolicy([]), InlinePolicy({})))
        )

    def with_files(self) -> Self:
        """The same route with what its files hold in the place of inline values."""
        found: dict[str, Any] = {}
        if self.tls_custom_ca_file is not None:
            found["tls_custom_ca"] = self.tls_custom_ca_file.data
        token = self.kubernetes_service_account_token_file
        if token is not None and self.kubernetes_service_account_token is None:
            found["kubernetes_service_account_token"] = token.secret
        if not found:
            return self
        route = self.model_copy(update=found)
        # Messages name keys that somebody wrote, at their places.
        route.model_fields_set.intersection_update(self.model_fields_set)
        return route
