"""Log Analytics: what the vaults' audit logs say, late."""
