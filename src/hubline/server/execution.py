"""One call from authorisation to its completion, whatever happens in between."""

import asyncio
import logging
from collections.abc import AsyncIterable, Coroutine
from typing import Any

from msgspec import UNSET

from hubline._tasks import ends_its_task, is_current
from hubline.auth.policies import PolicyContext
from hubline.errors import ConnectionClosed, HubError, RateLimitExceeded, text_of
from hubline.server import errors
from hubline.server.calls import Call
from hubline.server.context import HubCallerContext
from hubline.server.errors import error_text
from hubline.server.filters import InvocationContext
from hubline.server.injection import Injector
from hubline.server.refusals import RefusalLog
from hubline.streams.download import pump
from hubline.wire.messages import Completion

logger = logging.getLogger("hubline.dispatcher")


async def complete(call: Call, log: RefusalLog) -> Completion:
    """Run the call and make its completion."""
    invocation_id, method = call.message.invocation_id, call.method
    if call.cancelled and not method.is_stream:
        return Completion(invocation_id=invocation_id)
    try:
        if method.requirements and not await admitted(call, call.context):
            return Completion(invocation_id=invocation_id, error=errors.UNAUTHORIZED.format(method.name))
        if call.mistake:
            return Completion(invocation_id=invocation_id, error=call.mistake)
        if not method.injected:
            return await _perform(call)
        call.injector = Injector(call.context)
        completion = Completion(invocation_id=invocation_id, result=UNSET if method.is_stream else None)
        async with call.injector.stack:  # which may swallow the exception of the method
            completion = await _perform(call)
        return completion
    except BaseException as error:
        return broken_off(call, error, log)


def broken_off(call: Call, error: BaseException, log: RefusalLog) -> Completion:
    """The completion of a call that raised, whatever it raised: `sys.exit` is a failed call, and not the server's end.

    Raised again is a cancellation that is not the call's own, and what ends a coroutine that is thrown away.
    """
    if isinstance(error, GeneratorExit):
        if not is_current(call.task):
            raise error
    elif isinstance(error, asyncio.CancelledError):
        if call.cancelled:
            return Completion(invocation_id=call.message.invocation_id)
        if ends_its_task(error):
            raise error
    return failure(call, error, log)


def failure(call: Call, error: BaseException, log: RefusalLog) -> Completion:
    """The completion that tells the caller of an error, and a line in the log."""
    method, connection_id = call.method, call.connection.id
    if isinstance(error, RateLimitExceeded):  # so many that they must not fill the log
        logger.debug("connection %s: %s: %s", connection_id, method.where, text_of(error))
    elif isinstance(error, HubError | ConnectionClosed):  # said on purpose, or a peer went away meanwhile
        cause = error.__cause__  # such as why an item of an upload does not fit, which the caller is not told
        reason = f" ({type(cause).__name__}: {text_of(cause)})" if cause is not None else ""
        log.note(f"{method.where}: ", text_of(error) + reason)
    else:
        logger.error("connection %s: %s failed", connection_id, method.where, exc_info=error)
    base = errors.STREAM_FAILED if call.streaming else errors.INVOCATION_FAILED.format(method.name)
    text = error_text(base, error, detailed=call.runtime.options.detailed_errors)
    return Completion(invocation_id=call.message.invocation_id, error=text)


async def admitted(call: Call, caller: HubCallerContext) -> bool:
    """Whether `caller` fulfils what the method asks for. Raises what a policy raises."""
    scope = caller.scope
    if scope.identity is None:
        return False
    context = PolicyContext(
        identity=scope.identity,
        scope=scope,
        hub=call.runtime.hub,
        method=call.method.name,
        arguments=dict(zip((a.name for a in call.method.arguments), call.arguments, strict=True)),
    )
    return await call.runtime.policies.admit(call.method.requirements, context)


async def _perform(call: Call) -> Completion:
    """The method itself with its filters; of a stream, every item too."""
    runtime, method, invocation_id = call.runtime, call.method, call.message.invocation_id
    hub = runtime.new_hub(call)
    if method.name in runtime.direct:
        result = method.function(hub, *call.arguments)
        if not method.is_stream:
            result = await result
    else:
        context = InvocationContext(hub, method.name, list(call.arguments), call.context, clock=runtime.clock)
        result = await runtime.chains[method.name](context)
    if not method.is_stream:
        return Completion(invocation_id=invocation_id, result=result)
    if not isinstance(result, AsyncIterable):
        return Completion(invocation_id=invocation_id, error=errors.NOT_A_STREAM.format(method.name))
    await send_items(call, result)
    return Completion(invocation_id=invocation_id)


def send_items(call: Call, items: AsyncIterable[Any]) -> Coroutine[Any, Any, None]:
    """Send what a stream yields. No coroutine of its own: each that stands in between is woken for each item."""
    call.streaming = True
    call.entered, call.cancelled = True, call.cancelled  # in the object itself, where the pump looks at each item
    return pump(items, call.connection.codec.item_encoder(call.message.invocation_id), call.connection, call)
