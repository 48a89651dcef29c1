"""Which setting counts: a flag before the code, the code before the environment, that before the default."""

import inspect
from pathlib import Path

import pytest

from jobwire import Jobwire
from jobwire.blobs.links import FileLinks
from jobwire.cli.slips import find_slips
from jobwire.config import LINK_KEY_CHARS_MIN, SettingError, Settings, change_settings, read_settings
from jobwire.kinds.registry import make_kind
from jobwire.wiring import open_links

CODE = Settings(db="code.db", files=Path("code.db-files"), port=9_000, workers=3, systems="rentix", log="debug")


def test_a_flag_wins_over_settings_in_code() -> None:
    app = Jobwire(settings=CODE)
    assert app.read_settings() == CODE
    read = app.read_settings(db="sqlite:flag.db", port=0, workers=None, systems="none")
    assert (read.db, read.port, read.workers, read.systems, read.log) == ("flag.db", 0, 3, "none", "debug")


def test_code_wins_over_the_environment_and_that_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DB", "env.db"), ("PORT", "7000"), ("SYSTEMS", "rentix")):
        monkeypatch.setenv(f"JOBWIRE_{name}", value)
    read = Jobwire(db="code.db").read_settings()
    assert (read.db, read.port, read.workers, read.systems) == ("code.db", 7_000, 8, "rentix")
    assert Jobwire(settings=CODE).read_settings().port == 9_000
    assert Jobwire(db="code.db").read_settings(db="flag.db").db == "flag.db"
    monkeypatch.delenv("JOBWIRE_SYSTEMS")
    assert Jobwire(db="code.db").read_settings().systems == "none"


def test_one_setting_in_code_wins_over_a_whole_set_of_them() -> None:
    read = Jobwire(db="one.db", settings=CODE).read_settings()
    assert (read.db, read.port) == ("one.db", 9_000)


def test_kept_files_follow_the_ledger_unless_their_folder_was_chosen() -> None:
    assert change_settings(CODE, db="flag.db").files == Path("flag.db-files")
    assert change_settings(CODE, db="postgresql://db/jobs").files == Path("jobwire-files")
    chosen = read_settings({"JOBWIRE_FILES": "kept"}, db="code.db")
    assert change_settings(chosen, db="flag.db").files == Path("kept")
    assert change_settings(CODE, db="flag.db", files="kept").files == Path("kept")


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ({"port": 65_536}, "65535"),
        ({"db": "sqlite:"}, "must name a file"),
        ({"db": "mysql://me:hunter2@db/jobs"}, "there is no mysql:// ledger$"),
    ],
)
def test_a_flag_out_of_bounds_is_refused_over_code_too(flags: dict[str, object], part: str) -> None:
    with pytest.raises(SettingError, match=part):
        Jobwire(settings=CODE).read_settings(**flags)
    assert Jobwire(settings=CODE).read_settings(port=65_535).port == 65_535


def test_a_variable_with_a_slip_in_its_name_is_told() -> None:
    settings = ("JOBWIRE_WORKERS", "JOBWIRE_DB", "JOBWIRE_API_KEY", "PATH", "JOBWIRE_OF_SOMEBODY_ELSE")
    assert list(find_slips(settings)) == []
    assert list(find_slips([*settings, "JOBWIRE_WORKER"])) == [
        "the variable JOBWIRE_WORKER sets nothing; did you mean JOBWIRE_WORKERS?"
    ]


def test_links_are_signed_with_the_keys_of_the_setting_in_their_order() -> None:
    def links_of(*keys: str) -> FileLinks:
        return open_links(read_settings({"JOBWIRE_LINK_KEYS": ", ".join(keys)}), b"s" * 32, lambda: 0)

    new = "n" * LINK_KEY_CHARS_MIN
    own, rolled, rotated = links_of().sign_parts("x"), links_of(new, "ledger"), links_of(new)
    assert [links.is_signed(own, "x") for links in (links_of("ledger"), rolled, rotated)] == [True, True, False]
    assert rolled.sign_parts("x") == rotated.sign_parts("x") != own
    for keys in ((new, new[1:]), ("ledgers",), (new, "")):
        with pytest.raises(SettingError, match=r"JOBWIRE_LINK_KEYS: key . has .* characters; give 32 or more"):
            links_of(*keys)


def test_a_job_is_declared_with_the_parameters_a_kind_has() -> None:
    shown = list(inspect.signature(Jobwire().job).parameters.values())
    assert shown == list(inspect.signature(make_kind).parameters.values())[1:]
    assert "name" in [parameter.name for parameter in shown]
    app = Jobwire()
    app.job("double", queue="sums", attempts=2)(_double)
    (kind,) = app.kinds
    assert (kind.name, kind.queue, kind.attempts_max, kind.handler) == ("double", "sums", 2, _double)
    with pytest.raises(TypeError, match="wrong"):
        app.job("other", wrong=1)(_double)  # type: ignore[call-arg]


def _double(value: int) -> int:
    return 2 * value
