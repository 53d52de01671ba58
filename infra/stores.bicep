// Where things lie and flow: the storage account (journal, evidence, queue, the app's package), the Event Hub for
// Entra's diagnostic stream, the two topics, the hand-over vault, and where logs go. No keys: Entra roles throughout,
// but for the one rule of the Event Hub that Azure Monitor insists on.

param location string
param tags object
param suffix string

@description('The identity that keeps the stores and runs the host.')
param keeperPrincipalId string

@description('The identity that publishes outcomes.')
param publisherPrincipalId string

@description('The identity that makes certificates in the hand-over vault.')
param rotatorPrincipalId string

@description('Object ids of the identities that may publish on the signals topic.')
param signalSenders array

var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var eventHubsDataReceiver = 'a638d3c7-ab3a-418d-83e6-5f17a39d4fde'
var eventGridDataSender = 'd5a91429-5739-47e2-a06b-3470a27159e7'
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'
var certificatesOfficer = 'a4417e6f-fecd-4de8-b567-7b0420556985'

// Storage

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'cordon${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_ZRS' }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: storage
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: 30 }
    containerDeleteRetentionPolicy: { enabled: true, days: 30 }
  }
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'app-package'
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'dead-letters'
}

resource evidence 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'cordon-evidence'
}

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2023-05-01' = {
  parent: storage
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2023-05-01' = [
  for name in ['cordonjournal', 'cordondocuments']: {
    parent: tableService
    name: name
  }
]

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: storage
  name: 'default'
}

resource workQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = [
  for name in ['cordon-work', 'cordon-work-poison']: {
    parent: queues
    name: name
  }
]

resource keepsStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in [blobDataOwner, queueDataContributor, tableDataContributor]: {
    name: guid(storage.id, keeperPrincipalId, role)
    scope: storage
    properties: {
      principalId: keeperPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

// Entra's diagnostic stream

resource stream 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: 'evhns-cordon-${suffix}'
  location: location
  tags: tags
  sku: { name: 'Standard', tier: 'Standard', capacity: 1 }
  properties: {
    isAutoInflateEnabled: true
    maximumThroughputUnits: 4
    minimumTlsVersion: '1.2'
    disableLocalAuth: false // Azure Monitor sends by an authorization rule, and knows no other way
  }
}

resource hub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = {
  parent: stream
  name: 'entra'
  properties: {
    partitionCount: 4
    messageRetentionInDays: 7 // as long as an outage may last before records must come from the sweeps instead
  }
}

resource streamRule 'Microsoft.EventHub/namespaces/authorizationRules@2024-01-01' = {
  parent: stream
  name: 'diagnostics'
  properties: {
    rights: ['Listen', 'Send', 'Manage'] // Azure Monitor asks for all three
  }
}

resource keeperReceives 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hub.id, keeperPrincipalId, eventHubsDataReceiver)
  scope: hub
  properties: {
    principalId: keeperPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', eventHubsDataReceiver)
  }
}

// Signals in, outcomes out

resource signals 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: 'evgt-cordon-signals-${suffix}'
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
  }
}

resource outcomes 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: 'evgt-cordon-outcomes-${suffix}'
  location: location
  tags: tags
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    disableLocalAuth: true
  }
}

resource outcomesPublished 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(outcomes.id, publisherPrincipalId, eventGridDataSender)
  scope: outcomes
  properties: {
    principalId: publisherPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', eventGridDataSender)
  }
}

resource sendersPublish 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for sender in signalSenders: {
    name: guid(signals.id, sender, eventGridDataSender)
    scope: signals
    properties: {
      principalId: sender
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', eventGridDataSender)
    }
  }
]

resource signalsDeadLetter 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, signals.id, blobDataContributor)
  scope: deadLetters
  properties: {
    principalId: signals.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

// Logs

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'log-cordon-${suffix}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 90
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-cordon-${suffix}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource keeperReports 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, keeperPrincipalId, metricsPublisher)
  scope: insights
  properties: {
    principalId: keeperPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
  }
}

// Where new certificates are made, for their owners to fetch

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: 'kvcordon${suffix}'
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
  }
}

resource vaultAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspace.id
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      { categoryGroup: 'audit', enabled: true }
    ]
  }
}

resource rotatorMakesCertificates 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, rotatorPrincipalId, certificatesOfficer)
  scope: vault
  properties: {
    principalId: rotatorPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', certificatesOfficer)
  }
}

output storageName string = storage.name
output packageContainer string = packages.name
output deadLetterContainer string = deadLetters.name
// The endpoint reads https://NAME.<the cloud's domain>:443/
output eventHubHost string = split(split(stream.properties.serviceBusEndpoint, '//')[1], ':')[0]
output eventHub string = hub.name
output streamRuleId string = streamRule.id
output signalsTopicName string = signals.name
output signalsTopicId string = signals.id
output outcomesEndpoint string = outcomes.properties.endpoint
output handoverVault string = vault.name
output workspaceId string = workspace.id
output insightsConnection string = insights.properties.ConnectionString
