"""The data path: client bytes, one normalised request, the chain of steps, an upstream or a page of ours."""

from .admission import Admission, ConnectionLimits
from .again import Again
from .chain import Chain, IChainStep
from .client_address import Trust
from .cluster import Cluster, Endpoint
from .configured_headers import ConfiguredHeaders
from .exchange import Exchange, IExchange, Respond
from .finish import Finish
from .forward import Forward
from .generation import Generation, Timeouts
from .head import HeadError
from .header_names import HeadRules, alias
from .listener import Listener, RequestIds
from .longlived import LongLived
from .plan import RoutePlan
from .response import ResponseRules
from .router import Router
from .secure_redirect import RedirectListener
from .serve import Serve
from .steps import AuthorizeStep, ForwardStep, IdentifyStep, RouteStep
from .sweep import Sweep
from .target import TargetRules, parse_target

__all__ = [
    "Admission",
    "Again",
    "AuthorizeStep",
    "Chain",
    "Cluster",
    "ConfiguredHeaders",
    "ConnectionLimits",
    "Endpoint",
    "Exchange",
    "Finish",
    "Forward",
    "ForwardStep",
    "Generation",
    "HeadError",
    "HeadRules",
    "IChainStep",
    "IExchange",
    "IdentifyStep",
    "Listener",
    "LongLived",
    "RedirectListener",
    "RequestIds",
    "Respond",
    "ResponseRules",
    "RoutePlan",
    "RouteStep",
    "Router",
    "Serve",
    "Sweep",
    "TargetRules",
    "Timeouts",
    "Trust",
    "alias",
    "parse_target",
]
