"""Routes for tests of the HTTP layer."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from structlog.contextvars import bind_contextvars

from app.core.schemas import RequestSchema

router = APIRouter(include_in_schema=False)


class Parcel(RequestSchema):
    weight_grams: Annotated[int, Field(strict=True, ge=1, le=30_000)]
    reference: Annotated[str, Field(max_length=100)] | None = None


@router.post("/parcels")
async def create_parcel(parcel: Parcel) -> Parcel:
    return parcel


@router.get("/parcels/{parcel_id}")
async def read_parcel(parcel_id: int) -> int:
    return parcel_id


@router.get("/crash")
async def crash() -> None:
    raise ValueError("a canary in the exception")


@router.get("/user")
async def name_user() -> None:
    bind_contextvars(user_id="u1")
