"""A page of the conversation: refusals and a failing store become answers in one place."""

from __future__ import annotations

from ..databroker import StoreError
from ..model import Reply
from ..pages import OwnRequest, Page
from .conversation import Conversation
from .faults import RefusedError, refusal_reply, store_refusal

NO_STORE = (b"Cache-Control", b"no-store")


class ConversationPage(Page):
    """A leaf; override :meth:`answer`, which serves every method of ``methods``."""

    methods: tuple[str, ...] = ("GET",)

    def __init__(self, conversation: Conversation) -> None:
        super().__init__()
        self.conversation = conversation

    @property
    def allowed(self) -> tuple[str, ...]:
        return self.methods

    async def answer(self, request: OwnRequest) -> Reply:
        """The reply. May raise RefusedError or StoreError."""
        raise NotImplementedError

    async def get(self, request: OwnRequest, /) -> Reply:
        return await self._checked(request)

    async def post(self, request: OwnRequest, /) -> Reply:
        return await self._checked(request)

    async def _checked(self, request: OwnRequest) -> Reply:
        # HEAD would do what GET does and show nobody the result: single-use links would be spent by it.
        if request.incoming.method not in self.methods:
            return self.method_not_allowed()
        try:
            return await self.answer(request)
        except RefusedError as refusal:
            return refusal_reply(refusal, request.incoming)
        except StoreError as error:
            return refusal_reply(store_refusal(error), request.incoming)
