"""Photo work on the real demonstration photographs, in child processes, as publishing a listing does it."""

import os
from importlib.resources import files
from pathlib import Path

from bench.ticks import FOLDER
from jobwire.app import Jobwire
from jobwire.kinds.contract import Context
from jobwire.systems.rentix.photos import PhotoReport, PhotoRequest, optimise_photo

PHOTOS = sorted(
    str(item)
    for item in files("jobwire.systems.rentix").joinpath("demo_photos").iterdir()
    if item.name.endswith("jpg")
)
# The child writes here, over what the same photo gave before: nothing is deleted on the server's loop.
OUT = Path(os.environ.get(FOLDER, ".")) / "photos"

app = Jobwire()


@app.job("photo", queue="photos")
async def photo(ctx: Context, source: str) -> int:
    """Prepare one photo for the web; the number of files written."""
    report: PhotoReport = await ctx.isolate(optimise_photo, PhotoRequest(source, str(OUT / Path(source).stem)))
    return len(report.variants)
