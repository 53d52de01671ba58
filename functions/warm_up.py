"""Before an instance that scales out takes its first call: import and connect what the first call would need."""

# pyright: reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
# azure.functions leaves the **kwargs of its decorators untyped.

from importlib import import_module

import azure.functions as func
from azure.functions.warmup import WarmUpContext  # not exported by the package

from functions.runtime import responder

bp = func.Blueprint()


@bp.function_name("warmup")  # the host calls it by this very name, when it adds an instance (facts: warmup trigger)
@bp.warm_up_trigger(arg_name="warming")
async def warm_up(warming: WarmUpContext) -> None:
    """Load the SDKs, connect, fetch tokens. Nothing depends on it: everything is also done on first use."""
    import_module("functions.api")  # what the HTTP doors load on their first call
    await responder().warm_up()
