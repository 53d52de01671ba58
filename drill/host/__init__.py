"""A local Functions host: it drives every function of function_app.py as the platform would (docs of each module)."""
