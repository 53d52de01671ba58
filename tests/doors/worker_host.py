"""
The Functions host's side of Microsoft's Python worker, in this process.

It starts the real worker library on the real function_app.py and calls functions with data as the
host sends it. What only the .NET host does (keys, host.json, poison queues) is not shown by this.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.doors.worker_messages import PROTOS, ParameterBinding, RpcHttp, Status, TypedData

APP = Path(__file__).resolve().parent.parent.parent
WHEN = "2026-03-02T03:04:05+00:00"


class WorkerRefused(Exception):
    """The worker answered a request of the host with a failure."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came of one call."""

    succeeded: bool
    error: str | None
    returned: Any


@dataclass(slots=True)
class WorkerHost:
    """A started worker and what it found in the app, by name."""

    runtime: Any
    functions: dict[str, Any] = field(default_factory=dict[str, Any])
    calls: int = 0

    @classmethod
    async def start(cls) -> "WorkerHost":
        """Start the worker and let it index the app. Raises WorkerRefused with the worker's words."""
        runtime: Any = import_module("azure_functions_runtime")  # only there on 3.13
        sys.modules.pop("function_app", None)  # an app object can be indexed only once
        host = cls(runtime)
        runtime.start_threadpool_executor()
        first = SimpleNamespace(capabilities={}, function_app_directory=str(APP))
        _check(await runtime.worker_init_request(_request("worker_init_request", first)))
        found = await runtime.functions_metadata_request(_request("functions_metadata_request", first))
        _check(found)
        for each in found.function_metadata_results:
            load = SimpleNamespace(function_id=each.function_id, metadata=each)
            _check(await runtime.function_load_request(_request("function_load_request", load)))
            host.functions[each.name] = each
        return host

    def stop(self) -> None:
        self.runtime.stop_threadpool_executor()

    def bindings(self, function: str) -> list[dict[str, Any]]:
        return [json.loads(raw) for raw in self.functions[function].raw_bindings]

    async def timer(self, function: str) -> Invocation:
        status = {"Last": WHEN, "Next": WHEN, "LastUpdated": WHEN}
        tick = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}
        return await self._call(function, TypedData(json=json.dumps(tick)))

    async def event(self, function: str, event: Mapping[str, object]) -> Invocation:
        return await self._call(function, TypedData(json=json.dumps(event)))

    async def stream(self, function: str, bodies: list[bytes]) -> Invocation:
        """A batch comes as one collection, and its properties as arrays beside it."""
        properties = {"PartitionContext": "{}", "SystemPropertiesArray": json.dumps([{}] * len(bodies))}
        metadata = {name: TypedData(json=text) for name, text in properties.items()}
        return await self._call(function, TypedData(collection_bytes=SimpleNamespace(bytes=bodies)), metadata)

    async def queue(self, function: str, body: str, attempt: int = 1) -> Invocation:
        times = ("InsertionTime", "ExpirationTime", "NextVisibleTime")
        metadata = {
            "Id": TypedData(string="message-1"),
            "DequeueCount": TypedData(json=str(attempt)),
            "PopReceipt": TypedData(string="receipt-1"),
            **{name: TypedData(json=json.dumps(WHEN)) for name in times},
        }
        return await self._call(function, TypedData(string=body), metadata)

    async def warm_up(self, function: str) -> Invocation:
        return await self._call(function, TypedData(json="{}"))

    async def http(
        self,
        function: str,
        method: str,
        url: str,
        *,
        route: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Invocation:
        request = RpcHttp(
            method=method,
            url=url,
            headers=headers or {},
            params=route or {},
            query=query or {},
            body=TypedData(bytes=body),
        )
        return await self._call(function, TypedData(http=request))

    async def _call(
        self, function: str, data: TypedData, metadata: Mapping[str, TypedData] | None = None
    ) -> Invocation:
        self.calls += 1
        trigger = self.bindings(function)[0]
        invocation = SimpleNamespace(
            invocation_id=f"invocation-{self.calls}",
            function_id=self.functions[function].function_id,
            input_data=[ParameterBinding(name=trigger["name"], data=data)],
            trigger_metadata=metadata or {},
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        answer = await self.runtime.invocation_request(_request("invocation_request", invocation))
        failure = answer.result.exception
        return Invocation(
            succeeded=answer.result.status == Status.SUCCESS,
            error=failure.message if failure else None,
            returned=answer.return_value,
        )


def _request(kind: str, content: object) -> SimpleNamespace:
    return SimpleNamespace(
        request=SimpleNamespace(**{kind: content}), properties={"host": "127.0.0.1", "protos": PROTOS}
    )


def _check(answer: Any) -> None:
    if answer.result.status != Status.SUCCESS:
        raise WorkerRefused(answer.result.exception.message)
