"""
The functions of function_app.py, as the host sees them: a name, one trigger, and something to call.

Each host gets an app object of its own, because `get_functions()` works only once on one (facts:
azure-functions). The doors themselves are shared: they hold nothing but the Responder that they
speak to, which the host sets before each call.
"""

import importlib.util
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import azure.functions as func

PROJECT = Path(__file__).resolve().parent.parent.parent


class NotIndexed(RuntimeError):
    """The app cannot be indexed; in Azure, none of its functions would exist."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function. `trigger` is its binding as in function.json, `retry` its policy if it has one."""

    name: str
    kind: str  # timerTrigger, queueTrigger, eventGridTrigger, eventHubTrigger, httpTrigger, warmupTrigger
    argument: str
    trigger: Mapping[str, Any]
    retry: Mapping[str, Any] | None
    call: Callable[..., Awaitable[object] | object]


def load_functions(environ: Mapping[str, str], app_dir: Path = PROJECT) -> Sequence[Function]:
    """
    Index the app: a fresh FunctionApp, its functions with `%SETTING%` resolved, disabled ones left out.

    Raises NotIndexed, naming what is wrong.
    """
    app = _find_app(_execute(app_dir / "function_app.py"))
    try:
        indexed = app.get_functions()
    except ValueError as problem:
        raise NotIndexed(f"the app cannot be indexed: {problem}") from problem
    functions = [_describe(each, environ) for each in indexed]
    return [each for each in functions if not _is_disabled(each.name, environ)]


def _execute(path: Path) -> ModuleType:
    """Run the file as a module that nobody else sees: a second host must get a second app."""
    spec = importlib.util.spec_from_file_location("function_app", path)
    if spec is None or spec.loader is None:
        raise NotIndexed(f"{path} is not there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _find_app(module: ModuleType) -> func.FunctionApp:
    """The one app that the module binds; the platform's loader demands exactly one name."""
    apps = [value for value in vars(module).values() if isinstance(value, func.FunctionApp)]
    if len(apps) != 1:
        raise NotIndexed(f"function_app.py binds {len(apps)} FunctionApp objects; the platform demands one")
    return apps[0]


def _describe(indexed: Any, environ: Mapping[str, str]) -> Function:  # noqa: ANN401 - untyped in the SDK
    trigger = cast("dict[str, Any]", indexed.get_trigger().get_dict_repr())
    return Function(
        name=str(indexed.get_function_name()),
        kind=str(trigger["type"]),
        argument=str(trigger["name"]),
        trigger={key: _resolve(value, environ) for key, value in trigger.items()},
        retry=cast("Mapping[str, Any] | None", indexed.get_settings_dict("retry_policy")),
        call=cast("Callable[..., Awaitable[object] | object]", indexed.get_user_function()),
    )


def _resolve(value: object, environ: Mapping[str, str]) -> object:
    """`%NAME%` stands for the setting NAME."""
    if isinstance(value, str) and len(value) > 2 and value.startswith("%") and value.endswith("%"):
        return environ.get(value[1:-1], value)
    return value


def _is_disabled(name: str, environ: Mapping[str, str]) -> bool:
    return environ.get(f"AzureWebJobs.{name}.Disabled", "").lower() in {"true", "1"}
