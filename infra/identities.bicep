// Three identities, so that what reads the tenant cannot change it, and what changes it holds nothing else.
// The reader also keeps Cordon's own stores and runs the host. Its rights in the tenant, and the executor's,
// are granted by grant.py, later and by somebody who may: until then none of them can do anything there.

param location string
param tags object
param suffix string

resource reader 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-cordon-reader-${suffix}'
  location: location
  tags: tags
}

resource executor 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-cordon-executor-${suffix}'
  location: location
  tags: tags
}

resource rotator 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-cordon-rotator-${suffix}'
  location: location
  tags: tags
}

output readerId string = reader.id
output readerClientId string = reader.properties.clientId
output readerPrincipalId string = reader.properties.principalId
output executorId string = executor.id
output executorClientId string = executor.properties.clientId
output executorPrincipalId string = executor.properties.principalId
output rotatorId string = rotator.id
output rotatorClientId string = rotator.properties.clientId
output rotatorPrincipalId string = rotator.properties.principalId
