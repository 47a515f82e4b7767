"""Checkpoints are PyTorch's: a .pt file that PyTorch wrote loads here, and the other way round.

    python examples/load_checkpoint.py model.pt      what is in a checkpoint; without a file, one is written first

Files are read without running code from them (weights_only, the default): tensors, containers and numbers.
"""

import argparse
import tempfile
from pathlib import Path

import numbatorch as torch
from numbatorch import nn


def describe(value, name="", depth=0):
    """Print the tensors and numbers of a checkpoint as a tree; returns how many numbers its tensors hold."""
    if isinstance(value, torch.Tensor):
        print(f"{'  ' * depth}{name}: {tuple(value.shape)} {value.dtype}")
        return value.numel()
    if isinstance(value, dict):
        print(f"{'  ' * depth}{name or 'checkpoint'}: {len(value)} entries")
        return sum(describe(v, str(k), depth + 1) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return sum(describe(v, f"{name}[{k}]", depth) for k, v in enumerate(value))
    print(f"{'  ' * depth}{name}: {value!r}")
    return 0


def main(arguments=None):
    """Write and read back a checkpoint, or describe the one that is given; returns the count of numbers in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?")
    options = parser.parse_args(arguments)
    if options.file:
        return describe(torch.load(options.file, map_location="cpu"))
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 1}, path)
        checkpoint = torch.load(path)
    other = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    other.load_state_dict(checkpoint["model"])
    x = torch.randn(3, 4)
    print("same outputs:", torch.equal(model(x), other(x)))
    return describe(checkpoint)


if __name__ == "__main__":
    main()
