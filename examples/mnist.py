"""Train a small convolutional network on handwritten digits: the MNIST example, as one writes it for PyTorch.

    python examples/mnist.py --epochs 3 --data FOLDER      FOLDER holds MNIST's idx files; without it, 8 x 8 digits

The network is that of pytorch/examples: two convolutions, max-pooling, two dropouts, two linear layers.
"""

import argparse

import numbatorch as torch
from numbatorch import nn
from numbatorch.datasets import load_digits, load_folder
from numbatorch.nn import functional as F
from numbatorch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, side, padding):
        super().__init__()
        pooled = (side - 4 + 4 * padding) // 2
        self.conv1 = nn.Conv2d(1, 32, 3, padding=padding)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=padding)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1 = nn.Linear(64 * pooled * pooled, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):  # (N, 1, side, side)
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = torch.flatten(self.dropout1(F.max_pool2d(x, 2)), 1)  # (N, 64 * pooled * pooled)
        return F.log_softmax(self.fc2(self.dropout2(F.relu(self.fc1(x)))), dim=1)


def load(folder):
    """(training set, test set, side of an image, padding)."""
    if folder:
        data = load_folder(folder)
        parts = (data.train_images, data.train_labels), (data.test_images, data.test_labels)
        white, side, padding = 255, 28, 0
    else:
        digits = load_digits()
        parts = (digits.images[360:], digits.labels[360:]), (digits.images[:360], digits.labels[:360])
        white, side, padding = digits.white, 8, 1
    sets = [TensorDataset(torch.tensor(images).float().unsqueeze(1) / white, torch.tensor(labels).long())
            for images, labels in parts]
    return *sets, side, padding


def main(arguments=None):
    """Train, test after each epoch, print; returns the last accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--data", metavar="FOLDER")
    options = parser.parse_args(arguments)
    torch.manual_seed(1)
    train_set, test_set, side, padding = load(options.data)
    model = Net(side, padding)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    accuracy = 0.0
    for epoch in range(1, options.epochs + 1):
        model.train()
        for images, labels in DataLoader(train_set, batch_size=options.batch_size, shuffle=True):
            optimizer.zero_grad()
            loss = F.nll_loss(model(images), labels)
            loss.backward()
            optimizer.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            batches = DataLoader(test_set, batch_size=1000)
            right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in batches)
        accuracy = right / len(test_set)
        print(f"epoch {epoch}: loss {loss.item():.4f}, test accuracy {accuracy:.2%}")
    return accuracy


if __name__ == "__main__":
    main()
