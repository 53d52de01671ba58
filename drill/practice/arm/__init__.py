"""Azure Resource Manager: who may what at which scope, the services whose keys lie in vaults, and their logs."""
