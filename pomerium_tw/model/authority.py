"""What a Host may be that is sent to an upstream."""

from __future__ import annotations

import re

AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*\.?)(?::[0-9]{1,5})?")
"""A host and perhaps a port (RFC 9112 §3.2); one question, of what is configured and of each request."""
