"""Starting cold: what the host waits for before it knows any function."""

import json
import subprocess
import sys
from pathlib import Path

HEAVY = ("msgraph", "azure.identity", "azure.storage", "azure.data", "azure.keyvault", "azure.eventgrid", "pydantic")
INDEX = """
import json, sys
import function_app
names = [each.get_function_name() for each in function_app.app.get_functions()]
print(json.dumps({"functions": names, "modules": sorted(sys.modules)}))
"""


def indexed() -> dict[str, list[str]]:
    done = subprocess.run([sys.executable, "-c", INDEX], capture_output=True, check=True, text=True)  # noqa: S603
    return json.loads(done.stdout)


def test_indexing_imports_nothing_that_only_work_needs() -> None:
    """SDKs and models cost more than all of indexing, so that they wait for the first call; the drill never comes."""
    modules = indexed()["modules"]

    assert [each for each in modules if each.startswith(HEAVY)] == []
    assert [each for each in modules if each.partition(".")[0] == "drill"] == []
    assert "shared.wiring" not in modules


def test_indexing_needs_no_settings_and_no_network() -> None:
    """A wrong setting must not take every function away: it is told by each call instead."""
    code = f"import os, socket; os.environ['CORDON_MODE'] = 'nonsense'; socket.socket.connect = None\n{INDEX}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)  # noqa: S603

    assert len(json.loads(done.stdout)["functions"]) == 23


def test_the_host_file_gives_failed_work_time_to_recover() -> None:
    """Five attempts in a few seconds would poison every message of a short outage."""
    queues = json.loads(Path("host.json").read_text())["extensions"]["queues"]

    assert queues["visibilityTimeout"] == "00:00:30"
    assert queues["maxDequeueCount"] == 5
    assert queues["messageEncoding"] == "base64"


def test_the_page_about_the_host_explains_every_value_that_was_chosen() -> None:
    """host.json cannot hold comments; docs/host.md holds the reasons, and the same values."""
    host = json.loads(Path("host.json").read_text())
    page = Path("docs/host.md").read_text()

    chosen = {"functionTimeout", "telemetryMode", "excludedTypes", *host["extensions"]["queues"]}
    chosen |= {"routePrefix", *host["extensions"]["eventHubs"]}
    assert [name for name in sorted(chosen) if name not in page] == []
