"""
Which Graph application permissions each of Cordon's identities needs: what the actions declare, and what reading takes.

    python -m infra.permissions          writes infra/graph_permissions.json, which grant.py reads

The file is committed, so that whoever grants can read it, and needs neither our packages nor our word.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from shared.actions import ACTIONS

FILE = Path(__file__).parent / "graph_permissions.json"

# What each permission is read for; there is no other use of the reader in the tenant.
READING: Mapping[str, str] = {
    "Application.Read.All": "applications, service principals, their credentials, owners and roles",
    "AuditLog.Read.All": "the directory's audit log",
    "IdentityRiskEvent.Read.All": "risk detections",
    "IdentityRiskyServicePrincipal.Read.All": "the risk state of service principals",
}


def wanted() -> dict[str, list[str]]:
    """The permissions by identity: `reader` in every mode, `executor` only where plans are carried out."""
    return {
        "reader": sorted(READING),
        "executor": sorted({permission for action in ACTIONS for permission in action.permissions}),
    }


def text() -> str:
    """The file as it should be."""
    return json.dumps(wanted(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
