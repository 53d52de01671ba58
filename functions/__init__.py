"""
Doors: one file a transport, a few lines each; `DOORS` lists them for function_app.py.

A door parses nothing that a source could parse, decides nothing, and lets every error through that the
platform should answer by trying again. Importing this package declares functions and nothing more.
"""

import azure.functions as func

from functions import receive_event, receive_stream, serve_http, sweep, warm_up, work_incident

DOORS: tuple[func.Blueprint, ...] = (
    sweep.bp,
    receive_event.bp,
    receive_stream.bp,
    work_incident.bp,
    serve_http.bp,
    warm_up.bp,
)
