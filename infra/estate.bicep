// What Cordon may do in the subscriptions that it watches over: look (reader), rotate (rotator) and cut (executor).
// Deployed by itself, at the management group whose subscriptions are meant, by somebody who may give roles there:
//
//   az deployment mg create --management-group-id GROUP --location REGION --template-file infra/estate.bicep \
//     --parameters readerPrincipalId=… rotatorPrincipalId=…
//
// Without it Cordon contains identities, and says of secrets that it could not look.

targetScope = 'managementGroup'

@description('Object id of the identity that reads. At the root management group it can say that there is no more.')
param readerPrincipalId string

@description('Object id of the identity that rotates: it reads and sets every secret below. Empty: nothing is rotated.')
param rotatorPrincipalId string = ''

@description('Object id of the identity that cuts access to vaults: it can give any role. Empty: nothing is cut.')
param executorPrincipalId string = ''

var reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
var logAnalyticsReader = '73c42c96-874c-492b-b04d-ab87d138a893'
var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
var certificatesOfficer = 'a4417e6f-fecd-4de8-b567-7b0420556985'
var userAccessAdministrator = '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9'
var keyVaultContributor = 'f25e0fa2-a7c8-4377-a976-54943a77a395'

// The management calls by which exposed keys and passwords die at their source. A sum of built-in roles would give
// far more.
resource rotator 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(managementGroup().id, 'cordon-rotator')
  properties: {
    roleName: 'Cordon Rotator'
    description: 'Makes keys and passwords of services new whose old ones were exposed.'
    type: 'CustomRole'
    assignableScopes: [managementGroup().id]
    permissions: [
      {
        actions: [
          'Microsoft.Storage/storageAccounts/read'
          'Microsoft.Storage/storageAccounts/listkeys/action'
          'Microsoft.Storage/storageAccounts/regeneratekey/action'
          'Microsoft.DocumentDB/databaseAccounts/read'
          'Microsoft.DocumentDB/databaseAccounts/listKeys/action'
          'Microsoft.DocumentDB/databaseAccounts/regenerateKey/action'
          'Microsoft.DocumentDB/locations/operationsStatus/read'
          'Microsoft.ServiceBus/namespaces/*/read'
          'Microsoft.ServiceBus/namespaces/authorizationRules/*/action'
          'Microsoft.ServiceBus/namespaces/*/authorizationRules/*/action'
          'Microsoft.EventHub/namespaces/*/read'
          'Microsoft.EventHub/namespaces/authorizationRules/*/action'
          'Microsoft.EventHub/namespaces/*/authorizationRules/*/action'
          'Microsoft.Cache/redis/read'
          'Microsoft.Cache/redis/listKeys/action'
          'Microsoft.Cache/redis/regenerateKey/action'
          'Microsoft.DBforPostgreSQL/flexibleServers/read'
          'Microsoft.DBforPostgreSQL/flexibleServers/write'
          'Microsoft.DBforPostgreSQL/locations/*/read'
          'Microsoft.Sql/servers/read'
          'Microsoft.Sql/servers/write'
          'Microsoft.Sql/locations/*/read'
        ]
        notActions: []
      }
    ]
  }
}

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in [reader, logAnalyticsReader]: {
    name: guid(managementGroup().id, readerPrincipalId, role)
    properties: {
      principalId: readerPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: tenantResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

resource rotatesSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in (empty(rotatorPrincipalId) ? [] : [secretsOfficer, certificatesOfficer]): {
    name: guid(managementGroup().id, rotatorPrincipalId, role)
    properties: {
      principalId: rotatorPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: tenantResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

resource rotatesSources 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(rotatorPrincipalId)) {
  name: guid(managementGroup().id, rotatorPrincipalId, 'cordon-rotator')
  properties: {
    principalId: rotatorPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: rotator.id
  }
}

resource cuts 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in (empty(executorPrincipalId) ? [] : [userAccessAdministrator, keyVaultContributor]): {
    name: guid(managementGroup().id, executorPrincipalId, role)
    properties: {
      principalId: executorPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: tenantResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]
