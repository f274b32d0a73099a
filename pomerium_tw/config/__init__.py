"""Configuration: a file and the environment become settings, and every mistake has file, line and column.

Values are decoded in Pomerium's names and formats. Other rooms read :class:`Settings`, and raise
:class:`ConfigError` with :meth:`Loaded.span` when they find, while building, that something configured cannot
work.
"""

from .addresses import Address, FromURL, ServiceURL
from .files import PEMFile, SecretFile, TextFile
from .headers import DEFAULT_RESPONSE_HEADERS
from .load import Loaded, load
from .plugins import Plugins, installed, twisted_plugins
from .policy_files import MAX_BYTES as MAX_POLICY_BYTES
from .policy_files import (
    Notation,
    PolicyFileSet,
    decode_policy_text,
    notation_of,
    parse_policy_document,
    read_policy_bytes,
    read_policy_data,
    read_policy_file,
)
from .positions import KeyPath, Positions
from .problem import ConfigError, Problem
from .reference import is_key
from .route_checks import findings as route_findings
from .route_settings import InlinePolicy, PolicyFile, PolicyName, RouteSettings
from .schema import config_schema
from .settings import CertificatePair, Settings
from .yaml_layout import has_anchors, read_layout

__all__ = [
    "DEFAULT_RESPONSE_HEADERS",
    "MAX_POLICY_BYTES",
    "Address",
    "CertificatePair",
    "ConfigError",
    "FromURL",
    "InlinePolicy",
    "KeyPath",
    "Loaded",
    "Notation",
    "PEMFile",
    "Plugins",
    "PolicyFile",
    "PolicyFileSet",
    "PolicyName",
    "Positions",
    "Problem",
    "RouteSettings",
    "SecretFile",
    "ServiceURL",
    "Settings",
    "TextFile",
    "config_schema",
    "decode_policy_text",
    "has_anchors",
    "installed",
    "is_key",
    "load",
    "notation_of",
    "parse_policy_document",
    "read_layout",
    "read_policy_bytes",
    "read_policy_data",
    "read_policy_file",
    "route_findings",
    "twisted_plugins",
]
