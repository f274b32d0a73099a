"""What a provider may answer instead of a result: each says whether trying again later makes sense."""

from __future__ import annotations


class ProviderError(Exception):
    """A provider did not do what it was asked. The text is for logs and pages.

    It never holds a code or token.
    """

    def __init__(self, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary
        """The same request may succeed later; a session is not to be ended for it (spec/identity §7.2)."""


class ProviderUnavailableError(ProviderError):
    """The provider cannot be reached, answers too late, too much, or that it is out of order."""

    def __init__(self, message: str) -> None:
        super().__init__(message, temporary=True)


class AccessDeniedError(ProviderError):
    """The provider, or the person at its page, said no."""


class InvalidAnswerError(ProviderError):
    """The provider answered, but not with what can be trusted; the sign-in must begin anew."""


class GrantRefusedError(ProviderError):
    """A code or refresh token is not, or no longer, good (RFC 6749 §5.2 ``invalid_grant``)."""


class NotSupportedError(ProviderError):
    """This provider cannot do that; its capabilities say so beforehand."""


class UnknownProviderError(LookupError):
    """No plugin of that kind is installed; the text names the kinds that are."""
