"""Azure Key Vault's data plane: vaults, their certificates and secrets, and who may touch them."""
