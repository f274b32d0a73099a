"""Sessions.

The handles that browsers hold, the cookies they travel in, the records behind them, and who is asking.
"""

from .callers import CALLER_RECORDS
from .cookies import CookieSettings, cookie_values, owned_cookie_pattern
from .flow import (
    FLOW_LIFETIME,
    ROUND_SECONDS,
    ROUTE_FLOW_LIFETIME,
    SINGLE_USE_SECONDS,
    Flow,
    FlowCookies,
    FlowError,
)
from .handle import HandleCodec, HandleError, SessionHandle
from .identities import Identities
from .records import (
    SignIn,
    beside_of,
    directory_record,
    open_tokens,
    seal_tokens,
    session_of,
    sign_in_records,
    user_of,
)
from .tokens import SessionTokens

__all__ = [
    "CALLER_RECORDS",
    "FLOW_LIFETIME",
    "ROUND_SECONDS",
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
    "SessionTokens",
    "SignIn",
    "beside_of",
    "cookie_values",
    "directory_record",
    "open_tokens",
    "owned_cookie_pattern",
    "seal_tokens",
    "session_of",
    "sign_in_records",
    "user_of",
]
