"""/record: the record of processing activities (GDPR Art. 30), for operators, on the console's application."""

from fastapi import APIRouter, Request, Response

from lethe_gateway.endpoints.policy import answer
from lethe_gateway.operators import Operators
from lethe_gateway.published import Published
from lethe_gateway.screens import READING, language_of


def record_routes(published: Published, operators: Operators) -> APIRouter:
    """GET /record and /record.csv, of the policy in force."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/record", methods=READING)
    async def record(request: Request) -> Response:
        operators.must_be(request)
        return answer(request, published, "record")

    @router.api_route("/record.csv", methods=READING)
    async def spreadsheet(request: Request) -> Response:
        operators.must_be(request)
        policy = published.in_force
        text = published.record_csv(language_of(request, policy.languages))
        name = f"record-{policy.profile}-{policy.version}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        # A spreadsheet takes a file without the mark (RFC 3629, section 6) for another encoding than UTF-8.
        return Response(f"\ufeff{text}", headers=headers, media_type="text/csv")

    return router
