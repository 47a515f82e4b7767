"""The networks of `numbatorch mnist`, their training and testing: an ordinary program in PyTorch's terms."""

import argparse
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np

import numbatorch as torch
import numbatorch.nn.functional as F
from numbatorch import nn, optim
from numbatorch.datasets import ImageSet
from numbatorch.utils.data import DataLoader, TensorDataset

from .mnist_report import Epoch, History, Report

DEFAULTS = {"MNIST": (3, 64), "digits": (8, 32)}  # epochs and batch size where none are asked for


class Net(nn.Module):
    """Two 3 x 3 convolutions, a pooling, two linear layers. `padding` 1 keeps enough of an 8 x 8 image to pool."""

    def __init__(self, side: int, padding: int):
        super().__init__()
        pooled = (side - 4 + 4 * padding) // 2
        self.conv1 = nn.Conv2d(1, 32, 3, padding=padding)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=padding)
        self.dropout1 = nn.Dropout(0.25)
        self.fc1 = nn.Linear(64 * pooled * pooled, 128)
        self.dropout2 = nn.Dropout(0.5)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))  # (N, 32, 26, 26) for MNIST
        x = F.relu(self.conv2(x))  # (N, 64, 24, 24)
        x = F.max_pool2d(x, 2)  # (N, 64, 12, 12)
        x = torch.flatten(self.dropout1(x), 1)  # (N, 9216)
        x = F.relu(self.fc1(x))  # (N, 128)
        x = self.fc2(self.dropout2(x))  # (N, 10)
        return F.log_softmax(x, dim=1)


class Stop:
    """While open, the first Ctrl-C only sets `asked`, so that no step is cut in half; the second interrupts."""

    def __init__(self, report: Report):
        self.asked, self.report = False, report

    def __enter__(self):
        # Only the main thread may set handlers; elsewhere Ctrl-C does not arrive anyway.
        self.usual = None
        if threading.current_thread() is threading.main_thread():
            self.usual = signal.signal(signal.SIGINT, self.ask)
        return self

    def ask(self, number, frame):
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.report.say("stopping after this batch; Ctrl-C again stops at once")

    def __exit__(self, *error):
        if self.usual is not None:
            signal.signal(signal.SIGINT, self.usual)


def tensors(images: np.ndarray, labels: np.ndarray, data: ImageSet) -> TensorDataset:
    """Pixels with mean 0 and deviation 1 as float32 (N, 1, height, width), labels as int64."""
    pixels = torch.from_numpy(images).to(torch.float32).unsqueeze(1)
    pixels.div_(data.white).sub_(data.mean).div_(data.std)
    return TensorDataset(pixels, torch.from_numpy(labels).to(torch.int64))


def train(options: argparse.Namespace, data: ImageSet, report: Report) -> tuple[nn.Module, History]:
    """Trains for the epochs asked for or until Ctrl-C; tests after each epoch."""
    default_epochs, default_batch_size = DEFAULTS[data.name]
    epochs = options.epochs or default_epochs
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model = Net(data.train_images.shape[1], padding=0 if data.name == "MNIST" else 1).to(options.device)
    optimizer = optim.Adadelta(model.parameters(), lr=options.lr)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=options.gamma)
    train_batches: DataLoader = DataLoader(tensors(data.train_images, data.train_labels, data), shuffle=True,
                                           batch_size=options.batch_size or default_batch_size,
                                           num_workers=options.workers)
    test_batches: DataLoader = DataLoader(tensors(data.test_images, data.test_labels, data),
                                          batch_size=options.test_batch_size)
    history = History()
    with Stop(report) as stop, report:
        try:
            for number in range(1, epochs + 1):
                epoch = Epoch(number, epochs, len(data.train_images))
                train_epoch(model, train_batches, optimizer, epoch, history, report, stop)
                if stop.asked:
                    break
                scheduler.step()
                test(model, test_batches, epoch, history)
                history.epochs.append(epoch)
                report.end_epoch(epoch)
        except KeyboardInterrupt:
            stop.asked = True
    history.stopped = stop.asked
    return model.cpu(), history


def train_epoch(model, batches, optimizer, epoch: Epoch, history: History, report: Report, stop: Stop) -> None:
    model.train()
    for images, labels in batches:
        optimizer.zero_grad()
        loss = F.nll_loss(model(images.to(model.conv1.weight.device)), labels.to(model.conv1.weight.device))
        loss.backward()
        optimizer.step()
        value = loss.item()
        history.losses.append(value)
        epoch.add(len(labels), value)
        report.advance(epoch, value)
        if stop.asked:
            return


def test(model, batches, epoch: Epoch, history: History) -> None:
    """Mean loss and accuracy over the test images, into `epoch`; the predictions into `history`."""
    model.eval()
    start, loss, correct, count, predictions = time.perf_counter(), 0.0, 0, 0, []
    with torch.no_grad():
        for images, labels in batches:
            images, labels = (t.to(model.conv1.weight.device) for t in (images, labels))
            output = model(images)
            loss += F.nll_loss(output, labels, reduction="sum").item()
            predicted = output.argmax(dim=1)
            correct += (predicted == labels).sum().item()
            count += len(labels)
            predictions.append(predicted.cpu().numpy())
    epoch.test_loss, epoch.accuracy = loss / count, correct / count
    epoch.test_seconds = time.perf_counter() - start
    epoch.batches = len(history.losses)
    history.predictions = np.concatenate(predictions)


def save(model: nn.Module, path: Path) -> None:
    """The state_dict at `path`: written beside it and moved there whole, so that a crash leaves what was there."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.numpy import save_file

            save_file({name: value.detach().numpy() for name, value in model.state_dict().items()}, temporary)
        else:
            torch.save(model.state_dict(), temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
