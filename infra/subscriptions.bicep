// Brings signals from the topic to the app. Deployed by after-deploy.sh and not by main.bicep: Azure refuses a
// subscription to a function that it does not know yet, and it knows them only after the app's first deployment.

param appName string
param signalsTopicName string
param storageName string
param deadLetterContainer string

@description('The types of event that Cordon reads.')
param eventTypes array = [
  'Cordon.Signal.DirectoryAudit'
  'Cordon.Signal.RiskDetection'
  'Cordon.Signal.RiskyServicePrincipal'
  'Cordon.Signal.SignIn'
]

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource signals 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: signalsTopicName
}

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName
}

resource toReceiveEvent 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = {
  parent: signals
  name: 'receive-event'
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${app.id}/functions/receive_event'
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: { includedEventTypes: eventTypes }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
    // Without this, an event that was refused once with 400, 401, 403 or 413, or given up after a day, is lost.
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: storage.id
          blobContainerName: deadLetterContainer
        }
      }
    }
  }
}
