"""Photo work on the real demonstration photographs, in child processes, as publishing a listing does it."""

from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from jobwire.app import Jobwire
from jobwire.kinds.contract import Context
from jobwire.systems.rentix.photos import PhotoReport, PhotoRequest, optimise_photo

PHOTOS = sorted(
    str(item)
    for item in files("jobwire.systems.rentix").joinpath("demo_photos").iterdir()
    if item.name.endswith("jpg")
)

app = Jobwire()


@app.job("photo", queue="photos")
async def photo(ctx: Context, source: str) -> int:
    """Prepare one photo for the web; the number of files written."""
    with TemporaryDirectory() as folder:
        report: PhotoReport = await ctx.isolate(optimise_photo, PhotoRequest(source, str(Path(folder) / "out")))
    return len(report.variants)
