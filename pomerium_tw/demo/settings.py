"""The demo's names and its real configuration file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from .certificates import Certificates
from .state import DemoSecrets, StateFolder

HOSTS = ("verify.localhost", "admin.localhost", "public.localhost", "authenticate.localhost", "idp.localhost")
"""Host names that the demo serves."""

APPLICATION_HOSTS = HOSTS[:3]
"""Those behind which the verify app stands."""

CLIENT_ID = "pomerium-tw-demo"

CONFIG_FILE = "config.yaml"
_ADMIN_POLICY = "admin.ppl"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything listens."""

    address: str
    """IP literal of the front door."""
    port: int
    """Port of the front door."""
    idp_port: int
    """Loopback port of the identity provider."""
    app_port: int
    """Loopback port of the verify app."""

    def url(self, host: str) -> str:
        """The public URL of one of the demo's hosts, without a slash at the end."""
        return public_url(host, self.port)


def public_url(host: str, port: int) -> str:
    """As browsers write it: the default port is left out."""
    return f"https://{host}" if port == 443 else f"https://{host}:{port}"


def write_settings(
    state: StateFolder, addresses: Addresses, certificates: Certificates, secrets: DemoSecrets
) -> Path:
    """Write ``config.yaml`` and ``admin.ppl`` anew, as ports may have changed; gives the former's path."""
    policy = resources.files("pomerium_tw.demo").joinpath(_ADMIN_POLICY).read_bytes()
    policy_file = state.write(_ADMIN_POLICY, policy)
    values = _values(state, addresses, certificates, secrets, policy_file)
    quoted = {name: value if isinstance(value, int) else json.dumps(value) for name, value in values.items()}
    return state.write(CONFIG_FILE, _TEMPLATE.format(**quoted).encode())


def _values(
    state: StateFolder,
    addresses: Addresses,
    certificates: Certificates,
    secrets: DemoSecrets,
    policy_file: Path,
) -> dict[str, str | int]:
    host = f"[{addresses.address}]" if ":" in addresses.address else addresses.address
    return {
        "address": f"{host}:{addresses.port}",
        "state_dir": str(state.path),
        "certificate": str(certificates.certificate_file),
        "certificate_key": str(certificates.key_file),
        "ca": str(certificates.ca_file),
        "shared_secret": secrets.shared_secret.reveal_text(),
        "cookie_secret": secrets.cookie_secret.reveal_text(),
        "client_id": CLIENT_ID,
        "client_secret": secrets.client_secret.reveal_text(),
        "policy_file": str(policy_file),
        "app": f"http://127.0.0.1:{addresses.app_port}",
        "idp_app": f"http://127.0.0.1:{addresses.idp_port}",
        **{host.partition(".")[0]: addresses.url(host) for host in HOSTS},
    }


# JSON strings are YAML strings: quoting by json.dumps holds for any path and secret.
_TEMPLATE = """\
# Written by `pomerium-tw demo` at every start. Copy it to make it yours.

address: {address}
authenticate_service_url: {authenticate}

# One certificate that lists each name, by a CA of this folder, which our own requests trust too.
certificate_file: {certificate}
certificate_key_file: {certificate_key}
certificate_authority_file: {ca}

shared_secret: {shared_secret}
cookie_secret: {cookie_secret}

# Sessions and users: a SQLite database in this folder.
state_dir: {state_dir}

# The development identity provider, reached through this very proxy.
idp_provider: oidc
idp_provider_url: {idp}
idp_client_id: {client_id}
idp_client_secret: {client_secret}

# Every upstream gets the signed assertion, and the email in clear text for what cannot verify.
pass_identity_headers: true
jwt_claims_headers:
  X-Pomerium-Claim-Email: email

# No HSTS: browsers would remember it for names that every project on this machine shares.
set_response_headers:
  X-Frame-Options: SAMEORIGIN

routes:
  - name: verify
    from: {verify}
    to: {app}
    allow_any_authenticated_user: true

  - name: admin
    from: {admin}
    to: {app}
    policy:
      file: {policy_file}

  - name: public
    from: {public}
    to: {app}
    allow_public_unauthenticated_access: true

  - name: idp
    from: {idp}
    to: {idp_app}
    allow_public_unauthenticated_access: true
    pass_identity_headers: false
"""
