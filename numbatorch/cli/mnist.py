"""Train the classic MNIST network, test it after every epoch and save it.

The digits come from --data, else NUMBATORCH_DATA, the cache, or a download; without a network, 1,797 real 8 x 8 digits
that come with numbatorch are used. Ctrl-C stops after the running batch and saves what there is.
"""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

HELP = "train the MNIST example (a good first thing to run)"


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return value


def natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text}")
    return value


def positive_number(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--epochs", type=positive, help="passes over the training images (3; 8 for the small digits)")
    parser.add_argument("--batch-size", type=positive, help="images a training step sees (64; 32 for the small digits)")
    parser.add_argument("--test-batch-size", type=positive, default=1000, help="images tested at once (%(default)s)")
    parser.add_argument("--lr", type=positive_number, default=1.0, help="Adadelta's learning rate (%(default)s)")
    parser.add_argument("--gamma", type=positive_number, default=0.7, help="its factor after each epoch (%(default)s)")
    parser.add_argument("--device", default="cpu", help="where to compute (%(default)s)")
    parser.add_argument("--seed", type=natural, default=1, help="of all random numbers (%(default)s)")
    parser.add_argument("--data", metavar="DIR", help="folder with MNIST's idx or idx.gz files")
    parser.add_argument("--save", metavar="FILE", default="numbatorch_mnist.pt",
                        help="where the weights go; .safetensors chooses that format (%(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="draw losses, accuracy and misread digits into this PNG")
    parser.add_argument("--workers", type=natural, default=0, help="processes that prepare batches (%(default)s)")
    parser.add_argument("--threads", type=positive, help="threads that compute (all usable cores)")


def complaint(options: argparse.Namespace) -> str | None:
    """What is wrong with the options and would otherwise only show after the training."""
    if options.device != "cpu":
        import numbatorch as torch

        try:
            torch.empty(0, device=options.device)
        except (RuntimeError, TypeError) as error:
            return f"--device {options.device}: {error}"
    for option in ("save", "plot"):
        if (value := getattr(options, option)) is None:
            continue
        path = Path(value)
        if path.is_dir():
            return f"--{option} {value}: is a folder; give a file"
        if not path.parent.is_dir():
            return f"--{option} {value}: there is no folder {path.parent}"
        if not os.access(path.parent, os.W_OK):
            return f"--{option} {value}: the folder {path.parent} cannot be written to"
    if options.plot and importlib.util.find_spec("matplotlib") is None:
        return '--plot needs matplotlib: pip install matplotlib (or numbatorch\'s extra "demo")'
    if options.save.endswith(".safetensors") and importlib.util.find_spec("safetensors") is None:
        return '--save to .safetensors needs safetensors: pip install safetensors (or numbatorch\'s extra "demo")'
    return None


def main(options: argparse.Namespace) -> int:
    from numbatorch.datasets import DatasetError, find_mnist

    from .mnist_report import make_report

    if problem := complaint(options):
        print(f"numbatorch mnist: {problem}", file=sys.stderr)
        return 2
    report = make_report()
    try:
        data = find_mnist(options.data, report.say)
    except DatasetError as error:
        print(f"numbatorch mnist: {error}", file=sys.stderr)
        return 1
    from .mnist_train import save, train

    report.say(f"{data.name}: {len(data.train_images):,} images to train, {len(data.test_images):,} to test, "
               f"from {data.source}")
    model, history = train(options, data, report)
    report.table(history.epochs)
    try:
        save(model, Path(options.save))
        report.say(f"{'stopped; ' if history.stopped else ''}weights saved to {options.save}")
        if options.plot and history.losses:
            from .mnist_plot import draw

            draw(history, data, Path(options.plot))
            report.say(f"curves and misread digits drawn to {options.plot}")
    except OSError as error:
        print(f"numbatorch mnist: cannot write {error.filename or options.save}: {error.strerror or error}",
              file=sys.stderr)
        return 1
    return 130 if history.stopped else 0
