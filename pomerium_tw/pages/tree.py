"""The tree of paths that we answer ourselves on every host (spec/identity §5.1)."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from .errors import handler_reply
from .probes import Probe, Redirect
from .resource import OwnRequest, Page, write_reply
from .static import asset_pages
from .texts import page_not_found
from .well_known import JWKS_PATH, KeySet, WellKnown


class NotFound(Page):
    """404 for whatever is asked."""

    def render(self, request: OwnRequest) -> int:
        write_reply(request, handler_reply(page_not_found(), request.incoming))
        return NOT_DONE_YET


class PathTree(Resource):
    """Finds a resource by the whole normalised path, the one that was routed and decided on.

    A path that only lacks its final slash is redirected; one with a final slash too many is served.
    """

    def __init__(self, resources: Mapping[str, IResource]) -> None:
        """``resources``: absolute path → leaf."""
        super().__init__()
        self._resources = dict(resources)
        self._not_found = NotFound()

    def getChild(self, _path: bytes, request: OwnRequest) -> IResource:
        request.postpath = []
        return self.find(request.incoming.target.path)

    def find(self, path: str) -> IResource:
        """The resource of a normalised path."""
        if path in self._resources:
            return self._resources[path]
        if path + "/" in self._resources:
            return Redirect(path + "/")
        return self._resources.get(path.removesuffix("/"), self._not_found)


def own_tree(
    *,
    jwks: bytes,
    callback_url: str,
    user_page: IResource,
    user_document: IResource,
    extra: Mapping[str, IResource],
) -> PathTree:
    """What every host answers itself.

    ``jwks`` is the key set as JSON, ``callback_url`` the authenticate service's ``/oauth2/callback``.
    ``extra`` adds paths such as ``/.pomerium/callback/`` and ``/.pomerium/sign_out``, and wins over these.
    """
    probe = Probe()
    return PathTree(
        {
            "/ping": probe,
            "/healthz": probe,
            "/.well-known/pomerium": WellKnown(callback_url),
            JWKS_PATH: KeySet(jwks),
            "/.pomerium/": user_page,
            "/.pomerium/user": user_document,
            **asset_pages(),
            **extra,
        }
    )
