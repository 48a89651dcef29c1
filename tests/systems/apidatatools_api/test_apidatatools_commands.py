"""`jobwire demo apidatatools` from its start to its end, and `jobwire quota`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from apidatatools_house import run_tools

from jobwire.cli.main import main
from jobwire.systems.apidatatools.quota import month_of


@pytest.mark.slow
def test_the_demo_formats_converts_and_says_what_is_broken(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "jobwire", "demo", "apidatatools", "--folder", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert '"line": 4' in ended.stdout and '"column": 1' in ended.stdout
    assert "336,776 flights" in ended.stdout and "336,776 objects" in ended.stdout
    flights = json.loads((folder / "flights.json").read_bytes())
    assert len(flights) == 336_776
    assert flights[0] == {
        "month": "1",
        "day": "1",
        "sched_dep_time": "515",
        "carrier": "UA",
        "flight": "1545",
        "origin": "EWR",
        "dest": "IAH",
    }


@pytest.mark.slow
def test_units_are_shown_given_and_taken_back(
    tmp_path: Path, house_engine: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*flags: str, owner: str = "acme") -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["jobwire", "quota", owner, "--db", db, *flags])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    def read(*flags: str) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(run("--json", *flags)[1])
        return shown

    monkeypatch.setenv("JOBWIRE_FILES", str(tmp_path / "files"))
    with run_tools(tmp_path) as house:
        acme = house.make_client("acme")
        month, db = month_of(house.house.services.clock()), house.house.settings.db
        assert read("--units", "1") == {"owner": "acme", "month": month, "used": 0, "units_max": 1}
        assert acme.run("json-formatter", "{}").status_code == 200
        refused = acme.run("json-formatter", "{}")
        assert (refused.status_code, refused.json()["error"]) == (429, "QUOTA_EXCEEDED")
        details = refused.json()["details"]
        assert (details["units_used"], details["units_max"], details["month"]) == (1, 1, month)
        # At the first moment of the next month (UTC), and no sooner.
        renewed = month_of(details["renews_at"] * 1_000)
        assert month < renewed and month_of(details["renews_at"] * 1_000 - 1) == month
        assert int(refused.headers["retry-after"]) > 0
        assert read()["used"] == 1
        assert read("--units", "0")["units_max"] == 0
        assert acme.run("json-formatter", "{}").status_code == 200
        monkeypatch.setenv("APIDATATOOLS_UNITS", "7")
        assert read("--reset") == {"owner": "acme", "month": month, "used": 2, "units_max": 7}
        assert f"acme has used 2 of 7 units in {month}; more come on " in run()[1]
        code, said = run(owner="nobody")
        assert code == 1 and "there is no owner 'nobody'" in said
