"""The picture of `numbatorch mnist --plot`: losses, accuracy, and the digits that were misread."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from numbatorch.datasets import ImageSet

from .mnist_report import History

SHEET_ROWS, SHEET_COLUMNS = 4, 12


def draw(history: History, data: ImageSet, path: Path) -> None:
    """Writes a PNG beside `path` and moves it there whole."""
    # The Figure alone, without pyplot: no window system is asked for and no global state is left.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.2))
    curves, sheet = parts
    loss_axes, accuracy_axes = curves.subplots(1, 2)
    draw_losses(loss_axes, history)
    draw_accuracy(accuracy_axes, history)
    draw_misread(sheet, history, data)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.png")
    try:
        figure.savefig(temporary, format="png", dpi=120)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def draw_losses(axes, history: History) -> None:
    losses = np.asarray(history.losses)
    steps = np.arange(1, len(losses) + 1)
    axes.plot(steps, losses, linewidth=0.5, alpha=0.4, label="each batch")
    window = max(1, len(losses) // 50)
    smooth = np.convolve(losses, np.full(window, 1 / window), mode="valid")
    axes.plot(steps[window - 1:], smooth, label=f"mean of {window}")
    if history.epochs:
        ends = [epoch.batches for epoch in history.epochs]
        axes.plot(ends, [epoch.test_loss for epoch in history.epochs], "o-", label="test")
    axes.set(xlabel="batch", ylabel="loss", title="loss")
    axes.legend()


def draw_accuracy(axes, history: History) -> None:
    numbers = [epoch.number for epoch in history.epochs]
    axes.plot(numbers, [100 * epoch.accuracy for epoch in history.epochs], "o-")
    axes.set(xlabel="epoch", ylabel="per cent", title="accuracy on the test images", xticks=numbers)


def draw_misread(figure, history: History, data: ImageSet) -> None:
    if history.predictions is None:
        figure.suptitle("no epoch was finished, so nothing was tested")
        return
    wrong = np.flatnonzero(history.predictions != data.test_labels)
    shown = wrong[:SHEET_ROWS * SHEET_COLUMNS]
    figure.suptitle(f"misread: {len(wrong)} of {len(data.test_labels):,}"
                    + (f", the first {len(shown)}" if len(shown) < len(wrong) else "") + " (is, read as)")
    for axes in figure.subplots(SHEET_ROWS, SHEET_COLUMNS).flat:
        axes.set_axis_off()
    for axes, index in zip(figure.axes, shown, strict=False):
        axes.imshow(data.test_images[index], cmap="gray_r", vmin=0, vmax=data.white)
        axes.set_title(f"{data.test_labels[index]}, {history.predictions[index]}", fontsize=8)
