"""The settings of one identity provider, and the id that names them (spec/identity §2.1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from ..model import Secret
from ..token import encode


def _secret(value: Any) -> Any:
    return Secret(value) if isinstance(value, str | bytes) else value


class ProviderSettings(BaseModel):
    """The ``idp_*`` keys, the prefix left off. A kind with rules of its own checks them in a subclass."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    user_id_scheme: ClassVar[int] = 0
    """To be raised by a kind that begins to name users differently: its old sessions end."""

    kind: str
    authenticate_url: str
    """External URL of the authenticate service, without a trailing slash."""
    url: str = ""
    client_id: str = ""
    client_secret: Annotated[Secret, BeforeValidator(_secret)] = Secret(b"")
    scopes: tuple[str, ...] | None = None
    """Replaces the kind's own when set."""
    request_params: Mapping[str, str] | None = None
    """Replaces the kind's own further parameters when set; empty removes them."""
    access_token_allowed_audiences: tuple[str, ...] | None = None
    """Audiences of foreign access tokens that are accepted; None: no filter, empty: none."""


def provider_id(settings: ProviderSettings) -> str:
    """Stable name of a provider's effective settings: sessions of one are not good for another.

    The client secret is left out on purpose: the id travels in URLs, where it would let a weak secret be
    guessed, and a rotated secret should not sign everybody out. So is the audience filter, which has no
    part in signing in.
    """
    named = settings.model_dump(exclude={"client_secret", "access_token_allowed_audiences"})
    named["user_id_scheme"] = settings.user_id_scheme
    canonical = json.dumps(named, sort_keys=True, separators=(",", ":"))
    return encode(hashlib.sha256(canonical.encode()).digest())
