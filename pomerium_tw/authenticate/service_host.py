"""What the authenticate host itself answers (spec/identity §5.2)."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.web.resource import IResource

from ..pages import Redirect, Robots, SignedOut
from .conversation import Conversation
from .parameters import PROVIDER_CALLBACK_PATH, SIGN_IN_PATH, SIGN_OUT_PATH, SIGNED_OUT_PATH
from .provider_callback import ProviderCallbackPage
from .sign_in import SignInPage
from .sign_out import SignOutPage


def service_host_resources(conversation: Conversation) -> Mapping[str, IResource]:
    """Path → leaf, for the authenticate host alone."""
    return {
        "/": Redirect("/.pomerium/"),
        "/robots.txt": Robots(),
        PROVIDER_CALLBACK_PATH: ProviderCallbackPage(conversation),
        SIGN_IN_PATH: SignInPage(conversation),
        SIGN_OUT_PATH: SignOutPage(conversation),
        SIGNED_OUT_PATH: SignedOut(),
    }
