"""What can be wrong with certificates and keys of the configuration."""


class TLSError(ValueError):
    """A certificate, key or list of authorities cannot be used; the text says why."""
