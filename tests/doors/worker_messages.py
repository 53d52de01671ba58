"""
The messages between host and worker, as far as azure_functions_runtime uses them.

The runtime is handed a namespace of message classes and never imports protobuf itself. These classes
are as strict as generated ones where a mistake would hide: no unknown field, one choice at a time.
"""

from enum import IntEnum
from types import SimpleNamespace
from typing import Any, ClassVar


class Message:
    """A message with plain fields, and at most one group of which one member may be set."""

    fields: ClassVar[tuple[str, ...]] = ()
    group: ClassVar[str | None] = None
    members: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **given: Any) -> None:
        for name in given:
            if name not in (*self.fields, *self.members):
                raise TypeError(f"{type(self).__name__} has no {name}")
        if sum(given.get(member) is not None for member in self.members) > 1:
            raise TypeError(f"{type(self).__name__}: only one of {self.group} can be set")
        self.__dict__.update(dict.fromkeys((*self.fields, *self.members)), **given)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__} has no {name}")

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 — protobuf's name
        if group != self.group:
            raise ValueError(f"{type(self).__name__} has no choice {group}")
        return next((member for member in self.members if getattr(self, member) is not None), None)


class TypedData(Message):
    group = "data"
    members = (
        "string",
        "json",
        "bytes",
        "stream",
        "http",
        "int",
        "double",
        "collection_bytes",
        "collection_string",
        "collection_double",
        "collection_sint64",
        "model_binding_data",
        "collection_model_binding_data",
    )


class ParameterBinding(Message):
    fields = ("name",)
    group = "rpc_data"
    members = ("data", "rpc_shared_memory")


class RpcHttp(Message):
    fields = (
        "method",
        "url",
        "headers",
        "body",
        "params",
        "status_code",
        "query",
        "enable_content_negotiation",
        "rawBody",
        "identities",
        "cookies",
    )


class BindingInfo(Message):
    fields = ("type", "data_type", "direction")
    undefined: ClassVar[int] = 0
    out: ClassVar[int] = 1
    inout: ClassVar[int] = 2


class RpcRetryOptions(Message):
    fields = ("max_retry_count", "retry_strategy", "delay_interval", "minimum_interval", "maximum_interval")


class RpcFunctionMetadata(Message):
    fields = (
        "name",
        "function_id",
        "managed_dependency_enabled",
        "directory",
        "script_file",
        "entry_point",
        "is_proxy",
        "language",
        "bindings",
        "raw_bindings",
        "retry_options",
        "properties",
        "status",
    )


class WorkerMetadata(Message):
    fields = ("runtime_name", "runtime_version", "worker_version", "worker_bitness", "custom_properties")


class RpcException(Message):
    fields = ("message", "stack_trace", "source", "is_user_exception", "type")


class Status(IntEnum):
    FAILURE = 0
    SUCCESS = 1
    CANCELLED = 2


class StatusResult(Message):
    fields = ("status", "result", "exception", "logs")
    Failure: ClassVar[Status] = Status.FAILURE
    Success: ClassVar[Status] = Status.SUCCESS
    Cancelled: ClassVar[Status] = Status.CANCELLED


class WorkerInitResponse(Message):
    fields = ("capabilities", "worker_metadata", "result")


class FunctionMetadataResponse(Message):
    fields = ("use_default_metadata_indexing", "function_metadata_results", "result")


class FunctionLoadResponse(Message):
    fields = ("function_id", "result")


class InvocationResponse(Message):
    fields = ("invocation_id", "return_value", "result", "output_data")


PROTOS = SimpleNamespace(
    **{
        each.__name__: each
        for each in (
            TypedData,
            ParameterBinding,
            RpcHttp,
            BindingInfo,
            RpcRetryOptions,
            RpcFunctionMetadata,
            WorkerMetadata,
            RpcException,
            StatusResult,
            WorkerInitResponse,
            FunctionMetadataResponse,
            FunctionLoadResponse,
            InvocationResponse,
        )
    }
)
