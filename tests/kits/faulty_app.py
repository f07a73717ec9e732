"""`manage` for a service with faults: routes that fail, or a start that does.

Runs by the project's own Python. The workers of uvicorn load this file too, as `__mp_main__`.
FAULT=create or FAULT=lifespan makes the start fail there.
"""

import asyncio
import logging
import os
import threading
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import app.main
from fastapi import APIRouter, BackgroundTasks, FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse

log = logging.getLogger("kit")
create_real_app = app.main.create_app
router = APIRouter(prefix="/faulty", include_in_schema=False)


class KitFaultError(Exception):
    """What went wrong on purpose."""


def fail() -> None:
    raise KitFaultError("on purpose")  # noqa: EM101, TRY003


async def fail_later() -> None:
    fail()


@router.get("/crash")
async def crash() -> None:
    fail()


@router.post("/crash")
async def crash_with_body(request: Request) -> None:
    await request.body()
    fail()


@router.get("/crash-in-thread")
def crash_in_thread_pool() -> None:
    fail()


@router.get("/crash-in-stream")
async def crash_in_stream() -> StreamingResponse:
    async def stream() -> AsyncIterator[bytes]:
        yield b"begun"
        fail()

    return StreamingResponse(stream())


@router.get("/wrong-answer")
async def break_the_schema_of_the_answer() -> int:
    return "not a number"


@router.get("/crash-after-answer")
async def crash_in_background_task(background: BackgroundTasks) -> str:
    background.add_task(fail_later)
    return "answered"


@router.get("/crash-in-task")
async def crash_in_task() -> str:
    task = asyncio.create_task(fail_later())
    del task
    await asyncio.sleep(0.01)
    return "answered"


@router.get("/crash-in-own-thread")
async def crash_in_own_thread() -> str:
    threading.Thread(target=fail).start()
    return "answered"


@router.get("/careless-logging")
async def log_carelessly() -> str:
    log.warning("%d items", "no number")
    log.warning("%s", object(), extra={"thing": object()})
    log.warning("two\nlines \x1b[31m \u2028 \ud800 \x9b", extra={"big": 1 << 70})
    warnings.warn("careless", stacklevel=1)
    return "answered"


@router.get("/log/{word}")
async def log_word(word: str) -> str:
    log.warning("route %s", word)
    await asyncio.sleep(0.05)
    await asyncio.to_thread(log.warning, "thread %s", word)
    await asyncio.create_task(log_in_task(word))
    return word


async def log_in_task(word: str) -> None:
    await asyncio.sleep(0.01)
    log.warning("task %s", word)


@router.get("/text")
async def send_text(size: int = 5000, cache: str = "private") -> PlainTextResponse:
    return PlainTextResponse("x" * size, headers={"Cache-Control": cache})


@router.get("/invalid-header")
async def send_invalid_header() -> PlainTextResponse:
    return PlainTextResponse("x", headers={"Content-Disposition": 'filename="a\nb"'})


@router.get("/page")
async def send_page() -> HTMLResponse:
    return HTMLResponse("<!doctype html><title>Page</title>")


@router.get("/endless")
async def send_endless_stream() -> StreamingResponse:
    async def count() -> AsyncIterator[bytes]:
        while True:
            yield b"tick"
            await asyncio.sleep(0)

    return StreamingResponse(count(), media_type="text/event-stream")


@router.get("/slow")
async def answer_slowly(seconds: float = 3) -> str:
    await asyncio.sleep(seconds)
    return "finished"


def create_app() -> FastAPI:
    """Return the project's application with the faults added."""
    if os.environ.get("FAULT") == "create":
        fail()
    application = create_real_app()
    application.include_router(router)
    real_lifespan = application.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[object]:
        if os.environ.get("FAULT") == "lifespan":
            fail()
        async with real_lifespan(running) as state:
            yield state
        log.warning("lifespan ended")

    application.router.lifespan_context = lifespan
    return application


app.main.create_app = create_app

if __name__ == "__main__":
    from app.cli import main

    main()
