"""Sessions.

The handles that browsers hold, the cookies they travel in, the records behind them, and who is asking.
"""

from .cookies import CookieSettings, cookie_values, owned_cookie_pattern
from .flow import FLOW_LIFETIME, ROUTE_FLOW_LIFETIME, SINGLE_USE_SECONDS, Flow, FlowCookies, FlowError
from .handle import HandleCodec, HandleError, SessionHandle
from .identities import Identities
from .records import SignIn, open_tokens, seal_tokens, session_of, sign_in_records, user_of

__all__ = [
    "FLOW_LIFETIME",
    "ROUTE_FLOW_LIFETIME",
    "SINGLE_USE_SECONDS",
    "CookieSettings",
    "Flow",
    "FlowCookies",
    "FlowError",
    "HandleCodec",
    "HandleError",
    "Identities",
    "SessionHandle",
    "SignIn",
    "cookie_values",
    "open_tokens",
    "owned_cookie_pattern",
    "seal_tokens",
    "session_of",
    "sign_in_records",
    "user_of",
]
