"""An identity-aware access proxy on Twisted: sign in, decide by policy, pass on with a signed proof."""

__version__ = "0.1.0"
