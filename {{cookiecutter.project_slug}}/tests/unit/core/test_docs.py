from base64 import b64encode
from hashlib import sha256

from app.core.docs import make_policy


def test_the_policy_allows_what_the_page_loads_and_nothing_else() -> None:
    policy = make_policy('<script src="https://cdn.example/a.js"></script><script>f()</script>')
    digest = b64encode(sha256(b"f()").digest()).decode()
    assert f"script-src https://cdn.example/a.js 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")


def test_only_redoc_may_make_styles_and_start_workers() -> None:
    swagger_ui, redoc = make_policy("<div></div>"), make_policy("<redoc ></redoc>")
    assert "unsafe-inline" not in swagger_ui
    assert "worker-src 'none';" in swagger_ui
    assert "style-src 'unsafe-inline';" in redoc
    assert "worker-src blob:;" in redoc
