"""
The SDK's adapter without its tracing: nobody here reads those spans, and making them took as long as the request.

The class is made at first use, because the SDK comes with it, and opens a socket while it is imported.
"""

from functools import cache
from typing import TYPE_CHECKING

from shared.errors import Unreachable

if TYPE_CHECKING:
    import httpx
    from kiota_abstractions.request_information import RequestInformation
    from msgraph.graph_request_adapter import GraphRequestAdapter
    from opentelemetry.trace import Span


@cache
def untraced_adapter() -> "type[GraphRequestAdapter]":
    """An adapter that makes and sends requests as the SDK's does; what that would only make for a span is left out."""
    from msgraph.graph_request_adapter import GraphRequestAdapter
    from opentelemetry.trace import INVALID_SPAN

    class UntracedAdapter(GraphRequestAdapter):
        def start_tracing_span(self, request_info: "RequestInformation", method: str) -> "Span":
            """One span for all, which keeps nothing."""
            del request_info, method
            return INVALID_SPAN

        def _start_local_tracing_span(self, name: str, parent_span: "Span") -> "Span":
            del name
            return parent_span

        def get_request_from_request_information(
            self, request_info: "RequestInformation", parent_span: "Span", attribute_span: "Span"
        ) -> "httpx.Request":
            """The request as it is; without options, because there is no middleware that reads any."""
            del parent_span, attribute_span
            if request_info.http_method is None:
                raise Unreachable("sending a request", "it has no method")
            return self._http_client.build_request(
                request_info.http_method.value,
                request_info.url,
                headers=request_info.request_headers,
                content=request_info.content,
            )

    return UntracedAdapter
