"""What `numbatorch mnist` shows while it trains: a progress bar on a terminal with rich, else plain lines."""

import importlib.util
import sys
import time
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Epoch:
    """The figures of one epoch."""

    number: int
    of: int
    images: int  # to train with
    done: int = 0
    loss_sum: float = 0.0
    test_loss: float = float("nan")
    accuracy: float = float("nan")
    test_seconds: float = 0.0
    batches: int = 0  # trained with since the first epoch began
    start: float = field(default_factory=time.perf_counter)
    first: tuple[float, int] | None = None  # when the first batch was done, and its images
    end: float = 0.0

    def add(self, images: int, loss: float) -> None:
        """Counts a batch that was trained with."""
        self.done += images
        self.loss_sum += loss * images
        self.end = time.perf_counter()
        if self.first is None:
            self.first = (self.end, self.done)

    @property
    def train_loss(self) -> float:
        return self.loss_sum / self.done

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def speed(self) -> float:
        """Images a second since the first batch, whose time is mostly the compiler's in a first run."""
        first_end, first_images = self.first or (self.start, 0)
        if self.done > first_images and self.end > first_end:
            return (self.done - first_images) / (self.end - first_end)
        return self.done / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float:
        """Until the last epoch ends, at this epoch's speed."""
        return (self.images * (self.of - self.number + 1) - self.done) / self.speed

    @property
    def compile_seconds(self) -> float:
        """The first batch's time where it is long enough to deserve a word, else 0."""
        seconds = self.first[0] - self.start if self.first else 0.0
        return seconds if self.number == 1 and seconds > 2 else 0.0


@dataclass
class History:
    """What a training leaves behind: for the table and the plot."""

    losses: list[float] = field(default_factory=list)  # of every batch
    epochs: list[Epoch] = field(default_factory=list)  # those that were finished
    predictions: np.ndarray | None = None  # for the test images, after the last finished epoch
    stopped: bool = False


TABLE_HEAD = ("epoch", "train loss", "test loss", "accuracy", "seconds", "images/s")


def table_row(epoch: Epoch) -> tuple[str, ...]:
    return (f"{epoch.number}", f"{epoch.train_loss:.4f}", f"{epoch.test_loss:.4f}", f"{epoch.accuracy:.2%}",
            f"{epoch.seconds + epoch.test_seconds:.1f}", f"{epoch.speed:,.0f}")


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Report:
    """Plain lines: at most ten an epoch, and no more than one a second."""

    def __init__(self):
        self.tenth, self.last_line = 0, time.perf_counter()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def say(self, text: str) -> None:
        print(text, flush=True)

    def advance(self, epoch: Epoch, loss: float) -> None:
        """After a batch."""
        if epoch.compile_seconds and epoch.first and epoch.done == epoch.first[1]:
            self.say(f"first batch: {epoch.compile_seconds:.1f} s, most of it compiling kernels, "
                     "which are kept for the next run")
        tenth = 10 * epoch.done // epoch.images
        if tenth != self.tenth and epoch.end > self.last_line + 1:
            self.tenth, self.last_line = tenth, epoch.end
            self.say(f"epoch {epoch.number}/{epoch.of}  {epoch.done:>6,}/{epoch.images:,}  loss {loss:.4f}  "
                     f"{epoch.speed:,.0f} images/s  {duration(epoch.seconds_left)} left")

    def end_epoch(self, epoch: Epoch) -> None:
        """After an epoch's test."""
        self.say(f"epoch {epoch.number}/{epoch.of}  test loss {epoch.test_loss:.4f}  accuracy {epoch.accuracy:.2%}")

    def table(self, epochs: list[Epoch]) -> None:
        """All epochs, at the end."""
        if not epochs:
            return
        rows = [TABLE_HEAD, *map(table_row, epochs)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.say("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)))


class RichReport(Report):
    """A live bar for the running epoch, and a table at the end."""

    def __init__(self):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        super().__init__()
        self.console = Console(highlight=False)
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"), BarColumn(bar_width=None),
            TextColumn("{task.completed:,}/{task.total:,}"), TextColumn("{task.fields[state]}"),
            console=self.console, expand=True, transient=True)
        self.task = None

    def __enter__(self):
        self.bar.start()
        self.task = self.bar.add_task("", total=1, epoch="1", state="loading or compiling kernels")
        return self

    def __exit__(self, *error):
        self.bar.stop()

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def advance(self, epoch: Epoch, loss: float) -> None:
        state = f"loss {loss:.4f}  {epoch.speed:,.0f} images/s  {duration(epoch.seconds_left)} left"
        self.bar.update(self.task, total=epoch.images, completed=epoch.done, epoch=f"{epoch.number}/{epoch.of}",
                        state=state)

    def table(self, epochs: list[Epoch]) -> None:
        from rich.table import Table

        if not epochs:
            return
        table = Table()
        for name in TABLE_HEAD:
            table.add_column(name, justify="right")
        for epoch in epochs:
            table.add_row(*table_row(epoch))
        self.console.print(table)


def make_report() -> Report:
    """rich on a terminal where it is installed, plain lines everywhere else."""
    return RichReport() if sys.stdout.isatty() and importlib.util.find_spec("rich") else Report()
