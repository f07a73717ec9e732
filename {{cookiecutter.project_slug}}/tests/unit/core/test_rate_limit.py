import pytest
from limits import RateLimitItemPerMinute

from app.core.errors import RateLimitedError
from app.core.rate_limit import RateLimiter


async def test_hit_over_limit_raises_error_for_that_key() -> None:
    limiter, limit = RateLimiter(), RateLimitItemPerMinute(2)
    await limiter.hit("login:a", limit)
    await limiter.hit("login:a", limit)

    with pytest.raises(RateLimitedError) as raised:
        await limiter.hit("login:a", limit)

    assert raised.value.headers is not None
    assert 1 <= int(raised.value.headers["Retry-After"]) <= 60
    await limiter.hit("login:b", limit)
