"""A web application of its own that mounts Jobwire and runs its worker in its lifespan."""

import contextlib
import os

from app_tasks import app as jobs
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route


@contextlib.asynccontextmanager
async def lifespan(_):
    async with jobs.running():
        yield
    jobs.close()


async def hello(_):
    return PlainTextResponse(f"hello from {os.getpid()}")


def make_host():
    """The host application; the ledger is opened here."""
    return Starlette(
        routes=[Route("/hello", hello), Mount("/work", app=jobs.asgi(prefix="/work"))], lifespan=lifespan
    )
