"""The reference and the type stubs are what the op table says, and the table says enough."""

import subprocess
import sys
from pathlib import Path

import pytest

import numbatorch as torch
from numbatorch import cli, reference
from numbatorch.expr import functions as f
from numbatorch.expr.tree import arg
from numbatorch.ops import OPS
from numbatorch.reference import facts, formula, pages

ROOT = Path(torch.__file__).parent


def test_the_written_files_are_current():
    # In a process of its own: packages that other tests import add to Tensor.
    done = subprocess.run([sys.executable, "-m", "numbatorch.reference"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}; run `{reference.COMMAND}`"


def test_writing_leaves_nothing_to_write(tmp_path):
    (tmp_path / pages.FOLDER).mkdir(parents=True)
    (tmp_path / pages.FOLDER / "gone.md").write_text("a family that is no more")
    (tmp_path / "nn").mkdir()
    assert set(reference.write(tmp_path)) == {*reference.files(), f"{pages.FOLDER}/gone.md"}
    assert not reference.stale(tmp_path)
    assert not (tmp_path / pages.FOLDER / "gone.md").exists()


def test_no_page_says_where_the_package_lies():
    for path, text in reference.files().items():
        assert str(ROOT) not in text and " at 0x" not in text, path


def test_every_public_op_says_what_it_does():
    thin = [key for key, op in facts.ops() if facts.names(op).public
            and (len(op.doc.split()) < 5 or not op.doc.rstrip().endswith((".", ")")))]
    assert not thin, thin


def test_families_of_ops_fit_in_the_head():
    long = {p.name: n for p in sorted((ROOT / "ops").glob("*.py")) if (n := len(p.read_text().splitlines())) > 500}
    assert not long, long


def test_links_lead_somewhere():
    files = reference.files()
    for path, text in files.items():
        if path.endswith(".md"):
            for target in pages.links(text):
                page, _, _ = target.partition("#")
                found = ((ROOT / path).parent / page).resolve()
                assert found.exists() or found.relative_to(ROOT).as_posix() in files, (path, target)


@pytest.mark.parametrize("tree, text", [
    (arg("grad") * (1 - arg("result") * arg("result")), "grad * (1 - result**2)"),
    (-(arg("a") - (arg("b") - 1)), "-(a - (b - 1))"),
    (arg("a") / (arg("b") / 2) * 3.5, "a / (b / 2) * 3.5"),
    (f.where(f.lt(arg("a"), 0) & f.isnan(arg("b")), f.exp(-arg("a")), f.conj(arg("b"))),
     "where((a < 0) & isnan(b), exp(-a), b)"),
    (f.pow(-arg("a"), arg("b") + 1), "(-a)**(b + 1)"),
    (arg("a") * 0.6931471805599453, "a * ln(2)"),
    (OPS["sigmoid"](arg("a")) * f.abs(arg("b")), "sigmoid(a) * |b|"),
])
def test_formulas_read_as_people_write_them(tree, text):
    assert formula.lines("x", tree) == [f"x = {text}"]


def test_shared_parts_of_long_formulas_get_names():
    a = f.exp(arg("first_operand") * arg("second_operand") + arg("third_operand"))
    lines = formula.lines("x", a * f.sin(a) + f.log(a) * f.cos(a) * arg("first_operand") + f.tan(a) - f.sqrt(a))
    assert lines[0] == "a = exp(first_operand * second_operand + third_operand)"
    assert lines[-1].startswith("x = a * sin(a) + ")


@pytest.mark.parametrize("name, dtype", [("sigmoid", "int64"), ("add", "bfloat16"), ("eq", "complex64"),
                                         ("abs", "complex64"), ("sum", "bool"), ("mean", "float16")])
def test_dtypes_of_results_are_those_of_calls(name, dtype):
    op = OPS[name]
    x = torch.ones(2, 2, dtype=getattr(torch, dtype))
    result = op.call(*[x for p in op.operands if p.default is not None])
    (said,) = [said for taken, said in facts.dtype_rules(op) if dtype in taken]
    assert result.dtype == getattr(torch, dtype if said == "the same" else said)


@pytest.mark.parametrize("name", ["floor", "maximum", "lgamma", "special.airy_ai"])
def test_ops_that_take_no_complex_numbers_refuse_them(name):
    x = torch.ones(2, dtype=torch.complex64)
    op = OPS[name]
    assert not any("complex64" in taken for taken, _ in facts.dtype_rules(op))
    with pytest.raises(RuntimeError, match="not (implemented|supported) for"):
        op.call(*[x for _ in op.operands])


def test_an_entry_holds_what_the_declaration_says():
    text = reference.entry("torch.sigmoid")
    for part in ("## sigmoid", "1 / (1 + e^-input)", "`Tensor.sigmoid_`", "grad * result * (1 - result)",
                 "exp 1 ULP in float32", "template `elementwise`", "[ops/activation.py:"):
        assert part in text
    assert reference.entry("expit") == text
    with pytest.raises(KeyError):
        reference.entry("no_such_op")


def test_the_command_shows_entries(capsys):
    assert cli.main(["ops", "Tensor.add_"]) == 0
    assert "input + alpha * other" in capsys.readouterr().out
    assert cli.main(["ops", "sigmoit"]) == 2
    assert "did you mean sigmoid" in capsys.readouterr().err
    assert cli.main(["ops"]) == 0
    assert "softmax  " in capsys.readouterr().out


def test_the_command_that_writes_reports(tmp_path):
    done = subprocess.run([sys.executable, "-m", "numbatorch.reference", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--write" in done.stdout
