"""The attack kit on the routes of a resource that `make resource` has written."""

from pathlib import Path

import pytest
from service_process import PRODUCTION, Install, Installation
from template import CACHE, Bake, default_answers
from test_attack_bodies import (
    test_each_route_serves_the_request_made_of_its_examples,
    test_no_body_breaks_a_route,
    test_no_field_value_breaks_a_route,
)
from test_attack_fields import (
    test_each_value_of_a_request_has_a_bound_in_the_document,
    test_what_the_service_decides_is_not_taken_from_a_client,
)
from test_attack_lists import test_no_id_in_a_path_breaks_a_route, test_no_query_breaks_a_list
from test_resources import Copy
from workshop import Workshop

__all__ = [
    "test_each_route_serves_the_request_made_of_its_examples",
    "test_each_value_of_a_request_has_a_bound_in_the_document",
    "test_no_body_breaks_a_route",
    "test_no_field_value_breaks_a_route",
    "test_no_id_in_a_path_breaks_a_route",
    "test_no_query_breaks_a_list",
    "test_what_the_service_decides_is_not_taken_from_a_client",
]
pytestmark = pytest.mark.slow
FIELDS = (
    "sku:str(40):unique note:str(200)? stock:int:index price:decimal(12,4):index=1.5 "
    "sold:bool?:index born:date:index seen:datetime:index code:uuid?:index "
    "kind:enum(book,film):index=film"
)


@pytest.fixture(scope="module")
def install(bake: Bake, worker_id: str) -> Install:
    """Install a project that has the new resource instead of the sample."""

    def install_resource(**answers: str) -> Installation:
        workshop = Workshop(CACHE / "kits" / worker_id / "resource")
        copy = Copy(workshop, bake(**default_answers() | {"auth": "none"} | answers))
        copy.run("make", "remove-sample")
        copy.add("parcel", FIELDS)
        scripts = Path(copy.variables["UV_PROJECT_ENVIRONMENT"]) / "bin"
        return Installation(copy.path, scripts, PRODUCTION)

    return install_resource
