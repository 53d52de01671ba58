"""What the Functions host imports: the app, made of the doors. Nothing else is done here."""

import azure.functions as func

from functions import DOORS

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
for door in DOORS:
    app.register_functions(door)
