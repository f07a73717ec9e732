"""The read kit: what a list costs the database does not grow with the list."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from own_servers import own_postgresql
from servers import ask, each_database, fresh_database
from service_process import Launch
from template import run
from users import sign_in

pytestmark = pytest.mark.slow

ITEMS = "/api/v1/items"
SCRIPT = Path(__file__).with_name("list_plans.py")
# What a plan says of rows that are sorted, instead of read in the order of an index.
SORTED = ("Sort", "filesort", "TEMP B-TREE FOR ORDER BY")


@pytest.mark.parametrize("database", each_database(but=["none"]))
def test_every_page_is_read_in_the_order_of_an_index(
    install: Callable[..., Any], database: str, tmp_path: Path
) -> None:
    project, scripts, _ = install(database=database, structure="flat", auth="none")
    with fresh_database(database) as url:
        environment = {"DATABASE_URL": url, "PYTHONPATH": str(project)}
        output = run(scripts / "python", SCRIPT, cwd=tmp_path, **environment)

    (line,) = [line for line in output.splitlines() if line.startswith("{")]
    plans = json.loads(line)
    assert len(plans) == 12
    for page, plan in plans.items():
        sort, place = page.split()
        assert f"ix_items_{sort.removeprefix('-')}" in str(plan), (page, plan)
        # On MySQL, the rows of the next page are found by their ids, and sorted again.
        sorts = any(word in str(plan) for word in SORTED)
        assert not sorts or (database, place) == ("mysql", "next"), (page, plan)


def test_get_request_opens_no_transaction(launch: Launch) -> None:
    with own_postgresql() as server:
        ask(f"{server.url}/postgres", "ALTER SYSTEM SET log_statement = 'all'")
        ask(f"{server.url}/postgres", "SELECT pg_reload_conf()")
        url = f"{server.url}/postgres"
        with launch(DATABASE_URL=url, UPDATE_SCHEMA_ON_STARTUP="true") as service:
            user = sign_in(service)
            body = b'{"sku": "KIT-1", "name": "Mug", "price": "9.90"}'
            log = server.folder / "log"
            statements = {}
            for method, data in (("GET", None), ("POST", body)):
                before = len(log.read_text())
                assert user.ask(user.request(method, ITEMS, data)).status in {200, 201}
                statements[method] = log.read_text()[before:]

    assert "FROM items" in statements["GET"]
    assert "BEGIN" not in statements["GET"]
    assert "COMMIT" not in statements["GET"]
    assert "BEGIN" in statements["POST"]
    assert "COMMIT" in statements["POST"]
