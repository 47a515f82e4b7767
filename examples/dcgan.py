"""Two networks against each other: one makes digits from noise, one tells them from real ones.

    python examples/dcgan.py

A deep convolutional generative adversarial network (Radford et al. 2015, arXiv:1511.06434).
"""

import argparse

import numbatorch as torch
from numbatorch import nn
from numbatorch.datasets import load_digits
from numbatorch.nn import functional as F
from numbatorch.utils.data import DataLoader

NOISE = 16


def networks(width=32):
    """(generator of 1 x 8 x 8 images from noise, discriminator of images)."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(NOISE, 2 * width, 2, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Tanh())
    discriminator = nn.Sequential(
        nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 2), nn.Flatten(0))
    for module in (*generator, *discriminator):
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
    return generator, discriminator


def main(arguments=None):
    """Train; print made digits; returns the last losses of discriminator and generator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args(arguments)
    torch.manual_seed(1)
    digits = load_digits()
    images = torch.tensor(digits.images).float().unsqueeze(1) / digits.white * 2 - 1
    generator, discriminator = networks()
    optimizers = [torch.optim.Adam(n.parameters(), lr=2e-3, betas=(0.5, 0.999)) for n in (generator, discriminator)]
    judge = F.binary_cross_entropy_with_logits
    for epoch in range(options.epochs):
        for real in DataLoader(images, batch_size=64, shuffle=True, drop_last=True):
            made = generator(torch.randn(len(real), NOISE, 1, 1))
            true, false = torch.full((len(real),), 0.9), torch.zeros(len(real))
            loss_d = judge(discriminator(real), true) + judge(discriminator(made.detach()), false)
            discriminator.zero_grad()
            loss_d.backward()
            optimizers[1].step()
            loss_g = judge(discriminator(made), torch.ones(len(real)))
            generator.zero_grad()
            loss_g.backward()
            optimizers[0].step()
        if epoch % 5 == 0 or epoch == options.epochs - 1:
            print(f"epoch {epoch + 1:3d}  discriminator {loss_d.item():.3f}  generator {loss_g.item():.3f}")
    with torch.no_grad():
        for row in generator.eval()(torch.randn(6, NOISE, 1, 1)).squeeze(1).transpose(0, 1):
            print("  ".join("".join(" .:-=+*#%@"[int(4.99 * (v + 1))] for v in line) for line in row.tolist()))
    return loss_d.item(), loss_g.item()


if __name__ == "__main__":
    main()
