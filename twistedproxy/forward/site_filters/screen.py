"""
What stands between an answer and its client where filters of the site look at it.

Head and body are shown to the filters in their order; what comes meanwhile waits, and whoever sends it is held back.  Nothing is
sent before the filters have seen the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy import errors
from twistedproxy.answers import replies
from twistedproxy.filters.changed import WITHOUT_WHOLE_BODY, of_changed_body
from twistedproxy.filters.decoding import Decoder, decoder_of
from twistedproxy.forward.site_filters.asking import asked, told
from twistedproxy.message import CHUNKED, Headers, ResponseHead
from twistedproxy.wire.framing import Piece

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.forward.site_filters.seen import Seen
    from twistedproxy.settings.routes import RouteSettings

_log = Logger()


class _Broken(Exception):
    """A filter has failed, and without it nothing may pass."""


class Screen:
    """
    Of one exchange.

    :ivar passes: what is delivered now has been seen
    :ivar holds: an answer has begun, and not all of it was delivered
    :ivar busy: a filter takes its time: nothing more is wanted from whoever sends the answer
    """

    def __init__(self, exchange: Exchange, filters: Sequence[Any], seen: Seen, settings: RouteSettings) -> None:
        self._exchange = exchange
        self._filters = list(filters)
        self._seen = seen
        self._settings = settings
        self._pieces: list[Piece] = []
        self._trailers: Headers | None = None
        self._more: Deferred[None] | None = None
        self._task: Deferred[None] | None = None
        self._sent = False
        self._inside = False
        self.passes = self.holds = self.busy = False

    def begin(self, head: ResponseHead, pieces: Sequence[Piece], ended: bool) -> None:
        """The answer begins; as :meth:`Exchange.deliver`."""
        self._pieces.extend(pieces)
        if ended:
            self._trailers = Headers()
        self.holds = True
        self._inside = True
        self._task = Deferred.fromCoroutine(self._run(head))
        self._task.addErrback(self._broken)
        self._inside = False

    def body(self, pieces: Sequence[Piece]) -> None:
        """More of the body has come."""
        self._pieces.extend(pieces)
        self._wake()
        if self.busy:
            self._exchange.hold_source()

    def end(self, trailers: Headers) -> None:
        """The body is complete."""
        self._trailers = trailers
        self._wake()

    def stop(self) -> None:
        """The exchange is over."""
        self.holds = False
        self._pieces.clear()
        task, self._task = self._task, None
        if task is not None and (self.busy or self._more is not None):
            task.cancel()

    def _wake(self) -> None:
        more, self._more = self._more, None
        if more is not None:
            more.callback(None)

    async def _run(self, head: ResponseHead) -> None:
        """Show the answer to the filters, and deliver what becomes of it."""
        seen = self._seen
        seen.status = head.status
        seen.response_headers = type(seen.response_headers)(head.headers)
        for each in list(self._filters):
            if hasattr(each, "response"):
                await self._ask(each, each.response, seen)
        head, shown, decoder = self._head(head)
        bodies = [each for each in self._filters if hasattr(each, "body")] if shown else []
        while True:
            pieces, self._pieces = self._pieces, []
            trailers = self._trailers
            data: list[bytes] = [bytes(piece) for piece in pieces]
            if decoder:
                data = [plain for piece in data if (plain := decoder.feed(piece))]
                if trailers is not None:
                    decoder.finish()
            for each in bodies:
                data = [out for piece in data if piece and (out := await self._body(each, piece))]
                if trailers is not None:
                    # At the end, what it has kept.
                    data.append(await self._body(each, b""))
            self._deliver(head, [piece for piece in data if piece], trailers)
            if trailers is not None:
                return
            if self._trailers is None and not self._pieces:
                self._more = Deferred()
                await self._more

    def _head(self, head: ResponseHead) -> tuple[ResponseHead, bool, Decoder | None]:
        """The head as it goes on; whether filters see the body; what decodes it for them."""
        seen = self._seen
        status = seen.status if 200 <= seen.status <= 599 else head.status
        phrase = head.reason if status == head.status else replies.phrase(status).encode("ascii")
        headers = Headers(seen.response_headers.items)
        shown = any(hasattr(each, "body") for each in self._filters) and head.status not in WITHOUT_WHOLE_BODY
        is_head = self._exchange.head.method == b"HEAD"
        decoder, length = None, head.length
        if shown and (length or is_head):
            try:
                decoder = decoder_of(headers.elements(b"content-encoding"))
            except KeyError:
                # What nobody can read passes as it is.
                shown = False
            else:
                headers, length = Headers(of_changed_body(headers)), CHUNKED
        return ResponseHead(status, phrase, headers, version=head.version, length=length), shown and not is_head, decoder

    async def _body(self, each: Any, piece: bytes) -> bytes:
        out = await self._ask(each, each.body, piece, otherwise=piece)
        if out is None:
            return b""
        if isinstance(out, (bytes, bytearray, memoryview)):
            return bytes(out)
        return bytes(self._failed(each, Failure(TypeError(f"a body is bytes, not {type(out).__name__}")), piece) or b"")

    async def _ask(self, each: Any, ask: Any, *about: object, otherwise: object = None) -> Any:
        """What a filter says; *otherwise* when it has failed and the route is open."""
        if each not in self._filters:
            return otherwise
        try:
            result = asked(self._exchange.site.reactor, self._settings.filters_timeout, ask, *about)
            if isinstance(result, Deferred):
                self.busy = True
                self._exchange.hold_source()
                try:
                    result = await result
                finally:
                    self.busy = False
                    if self._task is not None and not self._exchange.client_full:
                        self._exchange.let_source_go()
        except Exception as problem:
            if isinstance(problem, CancelledError) and not self.holds:
                raise
            return self._failed(each, Failure(), otherwise)
        return result

    def _failed(self, each: Any, failure: Failure, otherwise: object) -> Any:
        told(self._settings.name, each, failure)
        if self._settings.filters_on_error == "closed":
            raise _Broken
        # From now on the others do without it.
        self._filters.remove(each)
        return otherwise

    def _deliver(self, head: ResponseHead, data: list[bytes], trailers: Headers | None) -> None:
        exchange = self._exchange
        late = not self._inside
        if trailers is not None:
            self.holds = False
        self.passes = True
        try:
            if self._sent:
                if data:
                    exchange.deliver_body(data)
                if trailers is not None:
                    exchange.deliver_end(trailers)
                return
            self._sent = True
            exchange.deliver(head, data, trailers is not None)
            if trailers is not None and late:
                exchange.finish()
        finally:
            self.passes = False

    def _broken(self, failure: Failure) -> None:
        exchange = self._exchange
        if not self.holds or exchange.finished:
            return
        self.holds = False
        self.passes = True
        if not failure.check(_Broken):
            _log.failure("an answer could not be shown to the filters of {route}", failure, route=self._settings.name)
        complete = self._trailers is not None
        if not self._sent:
            exchange.answer_instead(errors.FILTER_FAILED, complete)
        elif complete:
            exchange.fail(errors.FILTER_FAILED)
        else:
            exchange.request_malformed(errors.FILTER_FAILED, "")
