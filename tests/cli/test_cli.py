"""The command, as a person uses it: its words, its exit status, and what it leaves on disk."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import numbatorch as torch
from numbatorch import cli
from numbatorch.datasets import find_mnist, mnist

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No data folder, no network, and a working folder of one's own."""
    monkeypatch.delenv("NUMBATORCH_DATA", raising=False)
    monkeypatch.setattr(mnist, "data_folder", lambda: tmp_path / "datasets")

    def refuse(folder, say):
        raise mnist.DatasetError("no mirror can be reached")
    monkeypatch.setattr(mnist, "fetch_mnist", refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return cli.main(list(arguments))


def test_mnist_offline_learns_the_shipped_digits(offline, capsys):
    assert run("mnist", "--seed", "1", "--threads", "2") == 0
    said = capsys.readouterr().out
    assert "1,797 real 8 x 8 digits" in said and "UCI, CC BY 4.0" in said
    accuracies = [float(line.rsplit(" ", 1)[1].rstrip("%")) for line in said.splitlines() if "accuracy" in line
                  and line.endswith("%")]
    assert len(accuracies) == 8 and accuracies[-1] >= 96.0
    state = torch.load("numbatorch_mnist.pt")
    assert list(state) == ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight", "fc1.bias",
                           "fc2.weight", "fc2.bias"]


def test_mnist_with_safetensors_plot_and_workers(offline, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("safetensors")
    assert run("mnist", "--epochs", "1", "--save", "w.safetensors", "--plot", "curves.png", "--workers", "1") == 0
    assert (offline / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert torch.safetensors.load_file("w.safetensors")["fc2.bias"].shape == (10,)


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads(offline):
    before = torch.get_num_threads()
    weights = []
    try:
        for threads in ("1", "2", "4"):
            assert run("mnist", "--epochs", "1", "--seed", "3", "--threads", threads, "--save", f"{threads}.pt") == 0
            weights.append(b"".join(v.numpy().tobytes() for v in torch.load(f"{threads}.pt").values()))
    finally:
        torch.set_num_threads(before)
    assert weights[0] == weights[1] == weights[2]


@pytest.mark.parametrize("arguments, words", [
    (["--save", "missing/x.pt"], "there is no folder"), (["--plot", "missing/x.png"], "there is no folder"),
    (["--device", "cuda"], "no cuda device is available"), (["--device", "gpu"], "device type"),
    (["--save", "."], "is a folder")])
def test_mnist_refuses_before_it_trains(offline, capsys, arguments, words):
    assert run("mnist", *arguments) == 2
    assert words in capsys.readouterr().err


def test_mnist_with_a_wrong_folder_is_an_error(offline, capsys):
    assert run("mnist", "--data", "nowhere") == 1
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["mnist", "--epoch", "x"], ["mnist", "--epochs", "0"], ["paint"], []])
def test_wrong_use_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        run(*arguments)
    assert exit_.value.code == 2
    assert "usage: numbatorch" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_saves_what_there_is(tmp_path):
    images, labels = np.zeros((4000, 28, 28), np.uint8), np.zeros(4000, np.uint8)
    write_idx(tmp_path, images, labels)
    command = [sys.executable, "-m", "numbatorch", "mnist", "--data", str(tmp_path), "--epochs", "1000"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=ENVIRONMENT)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "loss" in line:
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            break
    said = "".join(lines) + process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "weights saved to numbatorch_mnist.pt" in said
    assert (tmp_path / "numbatorch_mnist.pt").stat().st_size > 1_000_000


def write_idx(folder, images, labels):
    for part in ("train", "t10k"):
        for kind, array in (("images", images), ("labels", labels)):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            (folder / f"{part}-{kind}-idx{array.ndim}-ubyte").write_bytes(head + array.tobytes())


def test_info_tells_of_a_wrong_choice_of_gpu(monkeypatch):
    from numbatorch.cli import info
    from numbatorch.cuda import runtime
    monkeypatch.setenv("NUMBATORCH_CUDA", "wrong")
    for name in ("driver", "reason"):  # as if nobody had looked yet
        monkeypatch.setitem(runtime._state, name, None)
    assert "expected 'emulate' or nothing, got 'wrong'" in info.gpus()


def test_info_kernels_and_cache(capsys):
    assert run("info") == 0
    out = capsys.readouterr().out
    assert "numba" in out and ("emulator" in out or "driver" in out or "sm_" in out)
    assert run("kernels", "list", "--kind", "rowwise") == 0
    assert "softmax_rows" in capsys.readouterr().out
    assert run("kernels", "show", "sigmoid", "--dtype", "float64", "--layout", "contiguous") == 0
    assert "exp_float64" in capsys.readouterr().out
    assert run("kernels", "show", "softmax") == 0
    assert "def softmax_rows" in capsys.readouterr().out
    assert run("kernels", "show", "softmax", "--device", "cuda") == 0
    assert "row = grid()" in capsys.readouterr().out
    assert run("kernels", "show", "sigmoid", "--device", "cuda", "--ptx", "sm_90a") == 0
    assert ".target sm_90a" in capsys.readouterr().out
    capsys.readouterr()
    assert run("kernels", "show", "torch.arange(1100).sort()", "--device", "cuda", "--ptx") == 0
    assert ".entry radix_moved_" in capsys.readouterr().out
    assert run("kernels", "show", "sort", "--device", "cuda") != 0 and "a call" in capsys.readouterr().err
    assert run("kernels", "show", "torch.arange(3).srt()", "--device", "cuda") != 0
    assert run("kernels", "show", "sigmoid", "--ptx") != 0
    assert "--device cuda" in capsys.readouterr().err
    assert run("kernels", "show", "no_such_op") != 0
    assert "no_such_op" in capsys.readouterr().err
    assert run("cache", "info") == 0
    assert capsys.readouterr().out


def test_cache_warm_compiles_what_programs_need(capsys, tmp_path, monkeypatch):
    from numbatorch.cli import warming
    from numbatorch.lowering import cache

    monkeypatch.setenv("NUMBATORCH_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(warming, "OPS_PER_PROGRAM", 2)  # two programs, so that processes are started
    assert run("cache", "warm", "--jobs", "2", "mul", "erf", "eq") == 0
    said = capsys.readouterr().out
    assert "compiled" in said and str(tmp_path) in said and "compiled 0 kernels" not in said
    assert not list(tmp_path.rglob("*.part"))
    kernels = cache.info()["kernels"]
    assert run("cache", "warm", "--jobs", "2", "mul", "erf", "eq") == 0
    assert cache.info()["kernels"] == kernels


@pytest.mark.parametrize("wrong", [["no_such_op"], ["--jobs", "0"]])
def test_cache_warm_refuses_what_it_cannot_do(capsys, wrong):
    with pytest.raises(SystemExit):
        run("cache", "warm", *wrong)
    assert wrong[-1] in capsys.readouterr().err


def test_programs_cut_ops_into_pieces_and_keep_each_once():
    from numbatorch.cli import warming

    found = list(warming.programs(["mlp", "add", "add", "exp"]))
    assert found == [("mlp",), ("add", "exp")]
    assert {name for program in warming.programs([]) for name in program} >= {"mlp", "lenet", "gpt", "sigmoid", "sum"}
    with pytest.raises(ValueError, match="no_such_op"):
        list(warming.programs(["no_such_op"]))


def test_every_op_with_a_formula_is_found_under_the_name_it_is_warmed_by():
    from numbatorch.cli import warming
    from numbatorch.ops import OPS

    names = [name for program in warming.programs(["ops"]) for name in program]
    assert {OPS[name] for name in names} == {op for op in OPS.values() if op.kind in warming.KINDS}
    assert len(names) == len(set(names)) > 150


def test_a_warm_op_says_whether_it_ran():
    from numbatorch.cli import warming

    assert warming.run(("relu", "bitwise_and"))["skipped"] == ["bitwise_and"]


def test_find_mnist_says_what_it_uses(offline):
    said = []
    data = find_mnist(None, said.append)
    assert data.name == "digits" and len(data.test_images) == 1797 // 5
    assert any("could not be downloaded" in line for line in said)
