"""Microsoft Graph: one module an area, each with its ROUTES; `service.ROUTES` joins them."""
