// The function app, on Flex Consumption. Its HTTP doors and its event door always have one instance ready, because
// Event Grid waits 30 seconds for an answer and a cold start may take longer.

param location string
param tags object
param suffix string

param mode string
param cloud string
param policy string
param contacts string
param logWorkspaces array

param readerId string
param readerClientId string
param executorId string
param executorClientId string
param rotatorId string
param rotatorClientId string

param storageName string
param packageContainer string
param topicEndpoint string
param handoverVault string
param eventHubHost string
param eventHub string
param insightsConnection string

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-cordon-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: 'func-cordon-${suffix}'
  location: location
  tags: union(tags, { 'azd-service-name': 'responder' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${readerId}': {}
      '${executorId}': {}
      '${rotatorId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: { minTlsVersion: '1.2' }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: readerId
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: 40
        alwaysReady: [
          { name: 'http', instanceCount: 1 }
          { name: 'function:receive_event', instanceCount: 1 }
        ]
      }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: {
    AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
    AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
    AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: readerClientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${readerClientId};Authorization=AAD'
    CORDON_MODE: mode
    CORDON_TENANT_ID: tenant().tenantId
    CORDON_CLOUD: cloud
    CORDON_POLICY: policy
    CORDON_CONTACTS: contacts
    CORDON_STORE: 'tables'
    CORDON_READER_CLIENT_ID: readerClientId
    CORDON_EXECUTOR_CLIENT_ID: executorClientId
    CORDON_ROTATOR_CLIENT_ID: rotatorClientId
    CORDON_TOPIC_ENDPOINT: topicEndpoint
    CORDON_LOG_WORKSPACES: join(logWorkspaces, ',')
    CORDON_HANDOVER_VAULT: handoverVault
    CORDON_EVENTS__fullyQualifiedNamespace: eventHubHost
    CORDON_EVENTS__credential: 'managedidentity'
    CORDON_EVENTS__clientId: readerClientId
    CORDON_EVENT_HUB: eventHub
  }
}

// Publishing by user name and password is off: a deployment needs an Entra token.
resource noPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = [
  for name in ['ftp', 'scm']: {
    parent: app
    name: name
    properties: { allow: false }
  }
]

output appName string = app.name
