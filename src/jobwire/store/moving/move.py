# ruff: noqa: S608 - the names in statements come from the ledgers' own catalogs
"""Moves a whole ledger: seal the source, copy it in one transaction of the target, compare, commit.

One transaction, because then there is no half of a ledger to be served, found or cleaned: what is interrupted is
gone, and a server started on the target meanwhile waits until the ledger is there. Neither engine bounds it.
The source is sealed before the snapshot is taken and stays so unless the move fails: nothing written to it is lost.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from jobwire.config import SettingError
from jobwire.domain.errors import RequestError
from jobwire.domain.order import CELL_SHIFTS
from jobwire.domain.states import State
from jobwire.store.files import forget_folder
from jobwire.store.moving.files import Files
from jobwire.store.moving.lines import Column, Tally
from jobwire.store.moving.marks import Mark, drop_mark, read_mark, say_moved, write_mark
from jobwire.store.moving.side import NOT_COPIED, Side, Table

Scripts = Mapping[str, Sequence[Sequence[str]]]
"""By a system's name, the statements of each of its migrations."""

Watch = Callable[[str, int, int], None]
"""Is told a table's name, how many of its rows are copied, and how many it has."""

SYSTEM_PREFIX = "system:"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: `force` although workers live, `keep_source` unsealed, nothing but counting if `dry`."""

    force: bool = False
    keep_source: bool = False
    is_dry: bool = False


@dataclass(slots=True)
class Report:
    """What was, or would be, moved: rows by table, jobs that ran, tables that are not the ledger's and stay."""

    rows: dict[str, int] = field(default_factory=dict)
    running: int = 0
    strangers: list[str] = field(default_factory=list)
    was_finished_before: bool = False


def move(
    source: Side, target: Side, plan: Plan, *, scripts: Scripts, files: Files, watch: Watch = lambda *_: None
) -> Report:
    """The target holds what the source held, to the last row, or nothing; the source is then served no more.

    SettingError: the target has a ledger, the source was moved elsewhere or has live workers, a system is missing.
    RequestError conflict: what arrived is not what was sent.
    """
    if not source.has_ledger():
        raise SettingError(f"there is no ledger at {source.address}; name the one that JOBWIRE_DB named so far")
    source.bring_forward()
    mark = read_mark(source, "moved_to")
    _refuse_other_move(source, target, mark)
    target.begin_write(is_target=True)
    try:
        if target.has_ledger():
            _finish_before(source, target, mark)
            return Report(was_finished_before=True)
        _refuse_workers(source, plan)
        _make_tables(source, target, scripts)
        tables, strangers = _match_tables(source, target)
        if plan.is_dry:
            with _snapshot(source):
                return _count(source, tables, strangers)
        mark = Mark(secrets.token_hex(8), target.address, source.read_clock(), is_finished=False)
        with _sealed(source, tables, mark, plan):
            with _snapshot(source):
                report = _count(source, tables, strangers)
                _copy(source, target, tables, report=report, files=files, watch=watch)
            target.finish_load(tables)
            if plan.keep_source:
                forget_folder(target)
            write_mark(target, "moved_from", Mark(mark.id, source.address, mark.at))
        _commit(source, target)
    finally:
        target.rollback()
    if not plan.keep_source:
        _mark_finished(source, mark)
    return report


def take_back(source: Side) -> Mark:
    """Let a ledger that was moved away be served again, as it was; returns where it had gone."""
    mark = read_mark(source, "moved_to") if source.has_ledger() else None
    if mark is None:
        raise SettingError(f"the ledger {source.address} was not moved away; there is nothing to take back")
    _unseal(source)
    return mark


def compare(source: Side, target: Side, tables: Sequence[Table]) -> list[str]:
    """The names of the tables whose rows are not the same on both sides, with the difference in words."""
    return [
        difference
        for table in tables
        if (difference := _tell_difference(table, source.sum_lines(table), target.sum_lines(table)))
    ]


# before


def _refuse_other_move(source: Side, target: Side, mark: Mark | None) -> None:
    if mark is not None and mark.address != target.address:
        raise SettingError(f"{say_moved(source.address, mark)}; or give that up first with --take-back")


def _finish_before(source: Side, target: Side, mark: Mark | None) -> None:
    origin = read_mark(target, "moved_from")
    if mark is None or origin is None or origin.id != mark.id:
        jobs = target.query("SELECT count(*) FROM job")[0][0]
        raise SettingError(
            f"the target {target.address} has a ledger already, with {jobs} jobs; a move needs an empty database: "
            "name another one, or a new file"
        )
    if not mark.is_finished:
        _mark_finished(source, mark)


def _refuse_workers(source: Side, plan: Plan) -> None:
    live = source.query("SELECT count(*) FROM worker WHERE expires_at > :now", now=source.read_clock())[0][0]
    if live and not plan.force:
        raise SettingError(
            f"{live} workers live on the ledger {source.address}; stop every process on it and try again in 20 s, or "
            "use --force: then what they run now is run again on the target"
        )


def _make_tables(source: Side, target: Side, scripts: Scripts) -> None:
    target.bring_forward()
    systems = source.query("SELECT name, value FROM ledger WHERE name LIKE 'system:%' ORDER BY name")
    for row, version in systems:
        name = row.removeprefix(SYSTEM_PREFIX)
        if name not in scripts or len(scripts[name]) < int(version):
            raise SettingError(
                f"the ledger has tables of the system {name} in version {version}, which is not installed here: "
                f"pip install --upgrade 'jobwire[{name}]'"
            )
        for statements in scripts[name][: int(version)]:
            for statement in statements:
                target.query(statement)


def _match_tables(source: Side, target: Side) -> tuple[list[Table], list[str]]:
    there = {name: {column.name for column in columns} for name, columns in target.find_tables().items()}
    tables: list[Table] = []
    strangers: list[str] = []
    for name, columns in source.find_tables().items():
        if name in NOT_COPIED:
            continue
        if name in there:
            tables.append(Table(name, _shared(columns, there[name])))
        else:
            strangers.append(name)
    return tables, strangers


def _shared(columns: Sequence[Column], others: set[str]) -> list[Column]:
    return [column for column in columns if column.name in others]


def _count(source: Side, tables: Sequence[Table], strangers: list[str]) -> Report:
    rows = {table.name: int(source.query(f"SELECT count(*) FROM {table.content}")[0][0]) for table in tables}
    running = source.query("SELECT count(*) FROM state WHERE state = :running", running=int(State.RUNNING))[0][0]
    return Report(rows, running, strangers)


# the source, sealed and read


@contextmanager
def _snapshot(source: Side) -> Iterator[None]:
    source.begin_read()
    try:
        yield
    finally:
        source.rollback()


@contextmanager
def _sealed(source: Side, tables: Sequence[Table], mark: Mark, plan: Plan) -> Iterator[None]:
    """The source refuses changes; when the block fails it is as it was."""
    with _changing(source):
        # An earlier move's seal goes with its mark.
        source.unseal(_sealable(tables))
        drop_mark(source, "moved_to")
        source.prepare_source()
        if not plan.keep_source:
            source.seal(_sealable(tables), say_moved(source.address, mark))
            write_mark(source, "moved_to", mark)
    try:
        yield
    except BaseException:
        if not plan.keep_source:
            _unseal(source)
        raise


@contextmanager
def _changing(source: Side) -> Iterator[None]:
    source.begin_write()
    try:
        yield
        source.commit()
    finally:
        source.rollback()


def _sealable(tables: Sequence[Table]) -> list[str]:
    return ["worker", *(table.name for table in tables if table.name != "ledger")]


def _unseal(source: Side) -> None:
    with _changing(source):
        source.unseal(list(source.find_tables()))
        drop_mark(source, "moved_to")


def _commit(source: Side, target: Side) -> None:
    """The source stays sealed when this fails: the commit may have succeeded all the same."""
    try:
        target.commit()
    except target.failures as error:
        raise RequestError(
            "unavailable",
            f"{target.address} was lost while the move was committed ({error}); the source {source.address} takes no "
            "more writes: run the same command again, it finds out what became of it",
        ) from error


def _mark_finished(source: Side, mark: Mark) -> None:
    with _changing(source):
        write_mark(source, "moved_to", Mark(mark.id, mark.address, mark.at))


# the copy


def _copy(source: Side, target: Side, tables: Sequence[Table], *, report: Report, files: Files, watch: Watch) -> None:
    differences: list[str] = []
    for table in tables:
        sent = Tally()
        lines = files.look(table, source.read_lines(table))
        target.load_lines(table, _watched(sent.take(lines), table, report.rows[table.name], watch=watch))
        difference = _tell_difference(table, sent, target.sum_lines(table))
        differences += [difference] if difference else []
    registers = source.read_registers()
    target.write_registers(registers)
    if target.read_registers() != registers:
        differences.append("the counters")
    differences += _rebuild_cells(target)
    if differences:
        raise RequestError(
            "conflict",
            f"what arrived at {target.address} is not what was sent, so nothing was kept: {'; '.join(differences)}",
        )


def _watched(chunks: Iterator[list[bytes]], table: Table, total: int, *, watch: Watch) -> Iterator[list[bytes]]:
    done = 0
    watch(table.name, done, total)
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        watch(table.name, done, total)


def _tell_difference(table: Table, sent: Tally, found: Tally) -> str:
    if sent == found:
        return ""
    if sent.rows != found.rows:
        return f"{table.name}: {sent.rows} rows were sent, {found.rows} are there"
    return f"{table.name}: {sent.rows} rows, but their checksums differ"


def _rebuild_cells(target: Side) -> list[str]:
    """Count the order's cells anew from the jobs in it, on every level."""
    order = "(SELECT queue, priority, turn FROM ready UNION ALL SELECT queue, priority, turn FROM blocked) AS places"
    waiting = target.query(f"SELECT count(*) FROM {order}")[0][0]
    for level, shift in enumerate(CELL_SHIFTS):
        target.query(
            "INSERT INTO cell (queue, level, priority, cell, n) "
            f"SELECT queue, {level}, priority, turn >> {shift}, count(*) FROM {order} "
            f"GROUP BY queue, priority, turn >> {shift}"
        )
    counted = target.query("SELECT level, CAST(sum(n) AS bigint) FROM cell GROUP BY level ORDER BY level")
    wanted = [(level, waiting) for level in range(len(CELL_SHIFTS))] if waiting else []
    return [] if counted == wanted else [f"cell: {waiting} jobs wait, counted are {counted}"]
