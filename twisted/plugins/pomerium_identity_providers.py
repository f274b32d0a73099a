"""The identity providers that come with the proxy, offered as any other plugin is."""

from pomerium_tw.identity.oidc import factory as oidc

__all__ = ["oidc"]
