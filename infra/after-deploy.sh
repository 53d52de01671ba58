#!/bin/sh
# Subscribes the app to the signals topic, once the app is there. `azd` runs this after each deployment, with its
# environment set; by hand: set the variables named below, which are outputs of main.bicep.

set -eu
cd "$(dirname "$0")"

az deployment group create --output none \
    --name cordon-subscriptions \
    --resource-group "$AZURE_RESOURCE_GROUP" \
    --template-file subscriptions.bicep \
    --parameters appName="$CORDON_APP" signalsTopicName="$CORDON_SIGNALS_TOPIC" \
    storageName="$CORDON_STORAGE" deadLetterContainer="$CORDON_DEAD_LETTERS"
echo "Signals reach $CORDON_APP."
