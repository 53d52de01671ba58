// Everything that Cordon needs in one resource group, except what can only follow the first deployment of the
// app (subscriptions.bicep) and what lies in the tenant itself (grant.py, diagnostic-setting.sh).

targetScope = 'subscription'

@description('Names the deployment; part of the resource group\'s name.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Where everything runs. Flex Consumption is not offered in every region.')
param location string

@description('How far Cordon goes by itself. Start with watch: it decides and reports, and changes nothing.')
@allowed(['watch', 'ask', 'act'])
param mode string = 'watch'

@description('The Microsoft cloud of the tenant.')
@allowed(['public', 'usgov', 'usgov-dod', 'china'])
param cloud string = 'public'

@description('The policy file, as a path inside the app.')
param policy string = 'policies/default.yaml'
@description('The list of whom to call, as a path inside the app; empty: none.')
param contacts string = ''

@description('Log Analytics workspaces with the logs of the tenant\'s vaults, by workspace id.')
param logWorkspaces array = []

@description('Who hears of trouble. Without an address the alerts show in the portal only.')
param alertEmail string = ''

@description('Object ids of the identities that may publish signals on the signals topic.')
param signalSenders array = []

var suffix = uniqueString(subscription().id, environmentName, location)
var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-cordon-${environmentName}'
  location: location
  tags: tags
}

module identities 'identities.bicep' = {
  name: 'identities'
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
  }
}

module stores 'stores.bicep' = {
  name: 'stores'
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    keeperPrincipalId: identities.outputs.readerPrincipalId
    publisherPrincipalId: identities.outputs.executorPrincipalId
    rotatorPrincipalId: identities.outputs.rotatorPrincipalId
    signalSenders: signalSenders
  }
}

module app 'app.bicep' = {
  name: 'app'
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    mode: mode
    cloud: cloud
    policy: policy
    contacts: contacts
    logWorkspaces: logWorkspaces
    readerId: identities.outputs.readerId
    readerClientId: identities.outputs.readerClientId
    executorId: identities.outputs.executorId
    executorClientId: identities.outputs.executorClientId
    rotatorId: identities.outputs.rotatorId
    rotatorClientId: identities.outputs.rotatorClientId
    storageName: stores.outputs.storageName
    packageContainer: stores.outputs.packageContainer
    topicEndpoint: stores.outputs.outcomesEndpoint
    handoverVault: stores.outputs.handoverVault
    eventHubHost: stores.outputs.eventHubHost
    eventHub: stores.outputs.eventHub
    insightsConnection: stores.outputs.insightsConnection
  }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    suffix: suffix
    workspaceId: stores.outputs.workspaceId
    signalsTopicId: stores.outputs.signalsTopicId
    alertEmail: alertEmail
  }
}

// What after-deploy.sh, grant.py and diagnostic-setting.sh need; azd keeps them in its environment.
output AZURE_RESOURCE_GROUP string = group.name
output CORDON_APP string = app.outputs.appName
output CORDON_SIGNALS_TOPIC string = stores.outputs.signalsTopicName
output CORDON_STORAGE string = stores.outputs.storageName
output CORDON_DEAD_LETTERS string = stores.outputs.deadLetterContainer
output CORDON_READER string = identities.outputs.readerPrincipalId
output CORDON_EXECUTOR string = identities.outputs.executorPrincipalId
output CORDON_STREAM_RULE string = stores.outputs.streamRuleId
output CORDON_STREAM_HUB string = stores.outputs.eventHub
