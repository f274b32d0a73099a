"""Configuration: a file and the environment become settings, and every mistake has file, line and column.

Values are decoded in Pomerium's names and formats. Other rooms read :class:`Settings`, and raise
:class:`ConfigError` with :meth:`Loaded.span` when they find, while building, that something configured cannot
work.
"""

from .addresses import Address, FromURL, ServiceURL
from .files import PEMFile, SecretFile, TextFile
from .headers import DEFAULT_RESPONSE_HEADERS
from .load import Loaded, load
from .positions import KeyPath, Positions
from .problem import ConfigError, Problem
from .route_settings import InlinePolicy, PolicyFile, PolicyName, RouteSettings
from .settings import CertificatePair, Settings

__all__ = [
    "DEFAULT_RESPONSE_HEADERS",
    "Address",
    "CertificatePair",
    "ConfigError",
    "FromURL",
    "InlinePolicy",
    "KeyPath",
    "Loaded",
    "PEMFile",
    "PolicyFile",
    "PolicyName",
    "Positions",
    "Problem",
    "RouteSettings",
    "SecretFile",
    "ServiceURL",
    "Settings",
    "TextFile",
    "load",
]
