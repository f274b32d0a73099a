"""For ~/.jupyter: the user is whom the proxy's signed assertion names, and nobody is served without one."""

import asyncio

from jupyter_server.auth import IdentityProvider, User
from tornado.web import HTTPError

from pomerium_tw.verify import AssertionVerifier, VerificationError

HOST = "notebooks.example.com"
verifier = AssertionVerifier(HOST)


class ProxyIdentity(IdentityProvider):
    """Whoever the proxy says is asking; neither Jupyter's tokens nor its cookies count."""

    token = ""
    login_available = False
    logout_available = False  # people sign out at the proxy: https://notebooks.example.com/.pomerium/

    async def get_user(self, handler):
        token = handler.request.headers.get("X-Pomerium-Jwt-Assertion", "")
        try:
            assertion = await asyncio.to_thread(verifier.verify, token)  # it may fetch the proxy's keys
        except VerificationError as error:
            raise HTTPError(403, str(error)) from error
        if assertion.anonymous:
            raise HTTPError(403, "nobody is signed in")
        name = assertion.name or assertion.email
        return User(username=assertion.user_id, name=name, display_name=name)


c = get_config()  # noqa: F821 - Jupyter defines it
c.ServerApp.identity_provider_class = ProxyIdentity
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.local_hostnames = ["localhost", HOST]  # any other Host is refused
c.ServerApp.trust_xheaders = True  # X-Forwarded-For and -Proto: addresses in its log, and Secure cookies
