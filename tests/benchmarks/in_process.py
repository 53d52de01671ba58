"""Graph in this process, answering at once: for what costs CPU and nothing else."""

import json
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.benchmarks.logs import Log, page
from tests.benchmarks.stand_in import Workloads

URL = "https://graph.microsoft.com"
_WINDOW = re.compile(r"activityDateTime ge (\S+) and activityDateTime le (\S+)")
_JSON = {"content-type": "application/json"}


class InProcessGraph(httpx.AsyncBaseTransport):
    """
    Serves lists and the directory. `spent` is the CPU time that it took itself, which is nobody's else.

    Pages are remembered, so that a second sweep of the same day finds them made; `sent` lists them in
    order.
    """

    def __init__(self, detections: Sequence[bytes] = (), audits: int = 0, *, remember: bool = True) -> None:
        self._detections, self._log = list(detections), Log(audits)
        self._remember = remember
        self._pages: dict[str, bytes] = {}
        self._workloads = Workloads()
        self.sent: list[bytes] = []
        self.spent = 0.0

    def begin(self) -> None:
        """Forget what was counted so far."""
        self.sent, self.spent = [], 0.0

    def forget_detections(self) -> None:
        """From now on Identity Protection lists nothing."""
        self._detections = []
        self._pages = {path: made for path, made in self._pages.items() if "/identityProtection/" not in path}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        begun = time.process_time()
        path = request.url.raw_path.decode().removeprefix("/v1.0")
        status, content = self._answer(request.method, path, body)
        self.spent += time.process_time() - begun
        return httpx.Response(status, content=content, headers=_JSON)

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if method == "GET" and path.startswith(("/auditLogs/", "/identityProtection/")):
            return 200, self._remembered(path) if self._remember else self._page(path)
        answer, _ = self._workloads.answer(method, path, body)
        if answer.body and "text" in answer.body:
            return 200, str(answer.body["text"]).encode()
        return answer.status, json.dumps(answer.body).encode() if answer.body is not None else b""

    def _remembered(self, path: str) -> bytes:
        if path not in self._pages:
            self._pages[path] = self._page(path)
        self.sent.append(self._pages[path])
        return self._pages[path]

    def _page(self, path: str) -> bytes:
        query = parse_qs(urlsplit(path).query)
        offset, size = int(query.get("$skiptoken", ["0"])[0]), int(query.get("$top", ["100"])[0])
        records = self._records(path)
        rest = len(records) > offset + size
        link = f"{URL}/v1.0{path.split('&$skiptoken')[0]}&$skiptoken={offset + size}" if rest else None
        return page(records[offset : offset + size], link)

    def _records(self, path: str) -> list[bytes]:
        if "/riskyServicePrincipals" in path:
            return []
        if path.startswith("/identityProtection/"):
            return self._detections
        found = _WINDOW.search(parse_qs(urlsplit(path).query)["$filter"][0])
        if found is None:
            raise ValueError(f"no window in {path}")
        since, until = (datetime.fromisoformat(each).astimezone(UTC) for each in found.groups())
        return self._log.between(since, until)
