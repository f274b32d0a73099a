"""The data path: client bytes, one normalised request, the chain of steps, an upstream or a page of ours."""

from .chain import Chain, IChainStep
from .cluster import Cluster, Endpoint
from .exchange import Exchange, Forward, IExchange, Respond, Serve
from .finish import Finish
from .generation import Generation, Timeouts
from .head import HeadError
from .header_names import HeadRules, alias
from .listener import Listener
from .plan import RoutePlan, header_lines
from .response import ResponseRules
from .router import Router
from .steps import AuthorizeStep, ForwardStep, IdentifyStep, RouteStep, reserved
from .sweep import Sweep
from .target import TargetRules, parse_target

__all__ = [
    "AuthorizeStep",
    "Chain",
    "Cluster",
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
    "Respond",
    "ResponseRules",
    "RoutePlan",
    "RouteStep",
    "Router",
    "Serve",
    "Sweep",
    "TargetRules",
    "Timeouts",
    "alias",
    "header_lines",
    "parse_target",
    "reserved",
]
