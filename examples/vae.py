"""A variational autoencoder of handwritten digits (Kingma & Welling 2013, arXiv:1312.6114).

    python examples/vae.py

The encoder gives mean and deviation of a code, the decoder the chances of pixels; training maximises the lower bound.
"""

import argparse

import numbatorch as torch
from numbatorch import nn
from numbatorch.datasets import load_digits
from numbatorch.nn import functional as F
from numbatorch.utils.data import DataLoader


class VAE(nn.Module):
    def __init__(self, pixels, hidden, code):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, 2 * code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, pixels))

    def forward(self, x):  # (N, pixels) -> logits (N, pixels), mean and log variance (N, code)
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decoder(code), mean, log_variance


def bound(x, logits, mean, log_variance):
    """What is minimised: reconstruction error plus the distance of the code from the standard normal, per image."""
    error = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    distance = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return (error + distance) / len(x)


def show(images, side):
    """Images as characters, side by side."""
    for row in images.view(-1, side, side).transpose(0, 1):
        print("  ".join("".join(" .:-=+*#%@"[int(9.99 * v)] for v in line) for line in row.tolist()))


def main(arguments=None):
    """Train, print digits that were never written; returns the loss after the first and after the last epoch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args(arguments)
    torch.manual_seed(1)
    digits = load_digits()
    images = torch.tensor(digits.images).float().flatten(1) / digits.white
    model = VAE(images.shape[1], 128, 8)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    for epoch in range(options.epochs):
        total = 0.0
        for x in DataLoader(images, batch_size=64, shuffle=True):
            loss = bound(x, *model(x))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        losses.append(total / len(images))
        if epoch % 5 == 0 or epoch == options.epochs - 1:
            print(f"epoch {epoch + 1:3d}  loss {losses[-1]:.2f}")
    with torch.no_grad():
        show(torch.sigmoid(model.decoder(torch.randn(6, 8))), digits.images.shape[1])
    return losses[0], losses[-1]


if __name__ == "__main__":
    main()
