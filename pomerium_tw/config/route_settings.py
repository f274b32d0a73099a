"""One route as it is written (spec/proxy §2.1); field names are Pomerium's keys."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import re2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationInfo

from pomerium_tw.model import Upstream

from .addresses import NO_FROM, From, HostName, flatten, parse_to
from .files import CertificatesPath, SecretPath, TextFile, read_text
from .headers import HeaderName, RequestHeaders, ResponseHeaders, header_value
from .pem import CertificatesPEM
from .problem import DecodeError, Finding
from .values import Flag, Seconds, SecretText, Text, Texts, choice, kind_of, listed, mapped, text, word

_TOKEN = re.compile(rb"[\x21-\x7e]+")

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


def _regex(value: Any) -> str:
    pattern = text(value)
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error:
        raise DecodeError(
            "this is not a regular expression of RE2", "RE2 has no look-around and no back-references"
        ) from None
    return pattern


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
    regex: Annotated[str, PlainValidator(_regex)] = ""
    prefix_rewrite: Text = ""
    host_rewrite: Annotated[str, PlainValidator(header_value)] = ""
    preserve_host_header: Flag = False
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

    @property
    def id(self) -> str:
        """Digest of from, path rules and targets: equal routes have equal ids (spec/proxy §2.2)."""
        targets = [
            (upstream.scheme, upstream.host, upstream.port, upstream.path, upstream.weight)
            for upstream in self.upstreams
        ]
        identity = json.dumps([str(self.from_), self.prefix, self.path, self.regex, targets])
        return hashlib.sha256(identity.encode()).hexdigest()[:16]

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
        return self.model_copy(update=found) if found else self

    def findings(self) -> Iterator[Finding]:
        """What is wrong between keys of this route (spec/proxy §2.3, spec/ppl §5), errors and warnings."""
        yield from self._matching()
        yield from self._targets()
        yield from self._kubernetes()
        yield from self._access()

    def _matching(self) -> Iterator[Finding]:
        if not self.from_.host:
            yield Finding(
                ("from",), "the route has no from", "write what callers ask for: https://app.example.com"
            )
        if self.from_.host and self.from_.scheme == "http":
            message = "from begins with http://: callers reach it by the main listener all the same"
            yield Finding(("from",), message, "write https://", warning=True)
        rules = [name for name in ("regex", "path", "prefix") if getattr(self, name)]
        for unused in rules[1:]:
            message = f"{unused} has no effect beside {rules[0]}"
            yield Finding((unused,), message, "keep one of regex, path and prefix", warning=True)
        for name in ("prefix", "path"):
            if (value := getattr(self, name)) and not value.startswith("/"):
                yield Finding(
                    (name,), f"{name} never matches: paths begin with /", f"write /{value}", warning=True
                )

    def _targets(self) -> Iterator[Finding]:
        if not self.to:
            yield Finding(("to",), "the route has no upstream", "write to: http://host:port")
        weighted = sum(target.weighted for target in self.to)
        if weighted and weighted < len(self.to):
            index = next(index for index, target in enumerate(self.to) if not target.weighted)
            yield Finding(
                ("to", index), "this upstream has no weight, others have", "give a weight to all or to none"
            )

    def _kubernetes(self) -> Iterator[Finding]:
        inline, in_file = "kubernetes_service_account_token", "kubernetes_service_account_token_file"
        token, file = self.kubernetes_service_account_token, self.kubernetes_service_account_token_file
        if file is not None and token is not file.secret:
            yield Finding((in_file,), f"{inline} and {in_file} are both set", "keep one of the two")
        if token is not None and not _TOKEN.fullmatch(token.reveal()):
            message = "a token is one word of letters, digits and signs"
            yield Finding((inline if file is None else in_file,), message, "give the token alone")

    def _access(self) -> Iterator[Finding]:
        lists = [name for name in ("allowed_users", "allowed_domains") if getattr(self, name)]
        if self.allow_public_unauthenticated_access:
            others = ["allow_any_authenticated_user"] * self.allow_any_authenticated_user + lists
            for name in others:
                message = f"{name} has no meaning on a route that lets everybody in"
                yield Finding((name,), message, "remove it, or allow_public_unauthenticated_access")
        elif self.allow_any_authenticated_user:
            for name in lists:
                message = f"{name} has no meaning on a route that lets every signed-in user in"
                yield Finding((name,), message, "remove it, or allow_any_authenticated_user")
        if not self.lets_somebody_in:
            what = "the policy holds no rule" if self.policy is not None else "the route has no policy"
            yield Finding(("policy",), f"{what}: nobody is let in", "say who is let in", warning=True)
