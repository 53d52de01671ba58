"""
HTTP, with a function key: the routes. What each takes and answers stands in api.py.

api.py is imported by the first call, not by indexing: pydantic alone costs more than the whole app.
Who called is never read from X-MS-* headers, which anybody with a key could send.
"""

import azure.functions as func

bp = func.Blueprint()


@bp.function_name("preview_plan")
@bp.route("plans", methods=["POST"])
async def preview_plan(req: func.HttpRequest) -> func.HttpResponse:
    """Say what would be done about an identity, and do nothing."""
    from functions import api

    return await api.preview_plan(req)


@bp.function_name("order_containment")
@bp.route("incidents", methods=["POST"])
async def order_containment(req: func.HttpRequest) -> func.HttpResponse:
    """Take a responder's order to contain an identity."""
    from functions import api

    return await api.order_containment(req)


@bp.function_name("list_incidents")
@bp.route("incidents", methods=["GET"])
async def list_incidents(req: func.HttpRequest) -> func.HttpResponse:
    """List incidents, newest first."""
    from functions import api

    return await api.list_incidents(req)


@bp.function_name("list_owners")
@bp.route("owners", methods=["GET"])
async def list_owners(req: func.HttpRequest) -> func.HttpResponse:
    """List applications with their owners."""
    from functions import api

    return await api.list_owners(req)


@bp.function_name("hunt_consents")
@bp.route("consents", methods=["GET"])
async def hunt_consents(req: func.HttpRequest) -> func.HttpResponse:
    """Hunt through tenant-wide consents."""
    from functions import api

    return await api.hunt_consents(req)


@bp.function_name("show_incident")
@bp.route("incidents/{id}", methods=["GET"])
async def show_incident(req: func.HttpRequest) -> func.HttpResponse:
    """Show where one incident stands."""
    from functions import api

    return await api.show_incident(req)


@bp.function_name("show_contacts")
@bp.route("incidents/{id}/contacts", methods=["GET"])
async def show_contacts(req: func.HttpRequest) -> func.HttpResponse:
    """Say whom to call."""
    from functions import api

    return await api.show_contacts(req)


@bp.function_name("show_report")
@bp.route("incidents/{id}/report", methods=["GET"])
async def show_report(req: func.HttpRequest) -> func.HttpResponse:
    """Tell the whole story of one incident, from its journal alone."""
    from functions import api

    return await api.show_report(req)


@bp.function_name("answer_plan")
@bp.route("incidents/{id}/approval", methods=["POST"])
async def answer_plan(req: func.HttpRequest) -> func.HttpResponse:
    """Take a person's answer to a waiting plan."""
    from functions import api

    return await api.answer_plan(req)


@bp.function_name("judge_incident")
@bp.route("incidents/{id}/verdict", methods=["POST"])
async def judge_incident(req: func.HttpRequest) -> func.HttpResponse:
    """Take a person's verdict on an incident."""
    from functions import api

    return await api.judge_incident(req)


@bp.function_name("undo_incident")
@bp.route("incidents/{id}/undo", methods=["POST"])
async def undo_incident(req: func.HttpRequest) -> func.HttpResponse:
    """Take a person's order to undo an incident, or show what that would do."""
    from functions import api

    return await api.undo_incident(req)


@bp.function_name("set_switch")
@bp.route("switch", methods=["POST"])
async def set_switch(req: func.HttpRequest) -> func.HttpResponse:
    """Stop every further effect, or let effects go on."""
    from functions import api

    return await api.set_switch(req)


@bp.function_name("show_health")
@bp.route("health", methods=["GET"])
async def show_health(req: func.HttpRequest) -> func.HttpResponse:
    """Say whether Cordon can do its work."""
    from functions import api

    return await api.show_health(req)


@bp.function_name("show_openapi")
@bp.route("openapi.json", methods=["GET"])
async def show_openapi(req: func.HttpRequest) -> func.HttpResponse:
    """Describe this interface."""
    from functions import api

    return await api.show_openapi(req)
