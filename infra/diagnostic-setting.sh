#!/bin/sh
# Has Entra send its logs to Cordon's Event Hub, as they are written. This is a setting of the whole tenant, so it is
# no part of the deployment: somebody with the role Security Administrator runs it once.
#
# Needs CORDON_STREAM_RULE and CORDON_STREAM_HUB, outputs of main.bicep: eval "$(azd env get-values)"
# A new export may take hours before its first record comes; until then the sweeps alone find what happened.

set -eu

case ${1:-} in
on | off) ;;
*)
    echo "Say on or off: $0 on" >&2
    exit 2
    ;;
esac

url="$(az cloud show --query endpoints.resourceManager --output tsv | sed 's,/*$,,')"
url="$url/providers/microsoft.aadiam/diagnosticSettings/cordon?api-version=2017-04-01"

if [ "$1" = off ]; then
    az rest --method delete --url "$url" --output none
    echo "Entra no longer sends its logs to Cordon."
    exit
fi

az rest --method put --url "$url" --output none --body "{
  \"properties\": {
    \"eventHubAuthorizationRuleId\": \"$CORDON_STREAM_RULE\",
    \"eventHubName\": \"$CORDON_STREAM_HUB\",
    \"logs\": [
      {\"category\": \"AuditLogs\", \"enabled\": true},
      {\"category\": \"RiskyServicePrincipals\", \"enabled\": true},
      {\"category\": \"ServicePrincipalRiskEvents\", \"enabled\": true}
    ]
  }
}"
echo "Entra sends its logs to Cordon."
