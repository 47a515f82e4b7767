"""A residual network on images of handwritten digits.

    python examples/resnet.py --data FOLDER      FOLDER holds MNIST's idx files; without it, 8 x 8 digits

Convolutions with batch norms, and a sum around every two of them (He et al. 2015, arXiv:1512.03385).
"""

import argparse

import numbatorch as torch
from numbatorch import nn
from numbatorch.datasets import load_digits, load_folder
from numbatorch.nn import functional as F
from numbatorch.utils.data import DataLoader, TensorDataset


class Residual(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(outside), nn.BatchNorm2d(outside)
        same = inside == outside and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(
            nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x):
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


def resnet(width=16, classes=10):
    """Three stages of one block, the image halved between them."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        Residual(width, width, 1), Residual(width, 2 * width, 2), Residual(2 * width, 4 * width, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes))


def load(folder):
    """Training and test set as (images, labels) of tensors."""
    if folder:
        data = load_folder(folder)
        parts, white = [(data.train_images, data.train_labels), (data.test_images, data.test_labels)], 255
    else:
        digits = load_digits()
        parts = [(digits.images[360:], digits.labels[360:]), (digits.images[:360], digits.labels[:360])]
        white = digits.white
    return [TensorDataset(torch.tensor(i).float().unsqueeze(1) / white, torch.tensor(n).long()) for i, n in parts]


@torch.no_grad()
def accuracy(model, dataset):
    """The share of a set that is classified rightly."""
    model.eval()
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in DataLoader(dataset, batch_size=256))
    model.train()
    return right / len(dataset)


def main(arguments=None):
    """Train and test after each epoch; returns the last accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--data", metavar="FOLDER")
    options = parser.parse_args(arguments)
    torch.manual_seed(1)
    train_set, test_set = load(options.data)
    loader = DataLoader(train_set, batch_size=options.batch_size, shuffle=True, drop_last=True)
    model = resnet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=options.epochs * len(loader))
    result = 0.0
    for epoch in range(options.epochs):
        for x, y in loader:
            loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        result = accuracy(model, test_set)
        print(f"epoch {epoch + 1}  loss {loss.item():.3f}  accuracy {result:.2%}")
    return result


if __name__ == "__main__":
    main()
