"""A dialect is a table: its module has no code, its maps are total, its shapes compile."""

import ast
from pathlib import Path
from typing import get_args

import pytest

import jobwire
from jobwire.dialects.azure import AZURE
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from jobwire.dialects.render import compile_views
from jobwire.dialects.spec import CODES, REFINED_CODES, Action, Dialect, HookName
from jobwire.domain.phases import Phase
from jobwire.http.errors import find_word
from jobwire.systems.apidatatools.dialect import APIDATATOOLS
from jobwire.systems.docswrite.dialect import DOCSWRITE
from jobwire.systems.fifthelement.dialect import FIFTHELEMENT
from jobwire.systems.rentix.dialect import RENTIX
from shop_dialect import SHOP

PACKAGE = Path(jobwire.__file__).parent
NAMES = ("azure", "google", "native")
MODULES = [*(PACKAGE / "dialects" / f"{name}.py" for name in NAMES), *sorted(PACKAGE.glob("systems/*/dialect.py"))]
DIALECTS = [NATIVE, AZURE, GOOGLE, APIDATATOOLS, DOCSWRITE, FIFTHELEMENT, RENTIX, SHOP]
CODE = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.If, ast.IfExp, ast.For, ast.While,
    ast.ListComp, ast.GeneratorExp, ast.Try, ast.With, ast.Match,
)  # fmt: skip


def test_the_modules_are_found() -> None:
    systems = ["apidatatools", "docswrite", "fifthelement", "rentix"]
    assert [path.parent.name for path in MODULES] == ["dialects"] * len(NAMES) + systems


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_dialect_module_has_no_code(path: Path) -> None:
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, CODE)]
    assert found == [], f"line {found[0].lineno} of {path.name} is code"  # type: ignore[attr-defined]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
class TestEveryDialect:
    def test_has_a_word_for_every_phase(self, dialect: Dialect) -> None:
        assert set(dialect.phases) == set(Phase)

    def test_has_a_word_for_every_code(self, dialect: Dialect) -> None:
        for code in (*CODES, *REFINED_CODES):
            assert 400 <= find_word(dialect, code).status <= 599

    def test_has_at_most_three_hooks(self, dialect: Dialect) -> None:
        assert set(dialect.hooks) <= set(get_args(HookName)) and len(get_args(HookName)) <= 3

    def test_compiles_every_shape(self, dialect: Dialect) -> None:
        for shape in (dialect.job, *(route.shape for route in dialect.routes if route.shape is not None)):
            assert set(compile_views(dialect, shape)) == set(Phase)

    def test_shows_each_field_by_one_means(self, dialect: Dialect) -> None:
        for field in dialect.job:
            means = [field.source is not None, field.template is not None, field.value is not None]
            assert sum(means) <= 1, field

    def test_gives_each_route_one_action_or_one_endpoint(self, dialect: Dialect) -> None:
        for route in dialect.routes:
            assert (route.action is None) != (route.endpoint is None), route
            assert route.action is None or route.action in get_args(Action)

    def test_names_only_limits_that_it_has(self, dialect: Dialect) -> None:
        known = {limit.name for limit in dialect.limits}
        assert set(dialect.default_limits) <= known
        assert all(set(route.limits or ()) <= known for route in dialect.routes)

    def test_mounts_without_a_trailing_slash(self, dialect: Dialect) -> None:
        for mount in (dialect.mount, *dialect.aliases):
            assert mount == "" or (mount.startswith("/") and not mount.endswith("/"))
