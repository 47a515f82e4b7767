"""A language model of two LSTM layers, trained on running text by truncated backpropagation through time.

    python examples/lstm_language_model.py --data input.txt

The state goes on from one piece of text to the next, its history does not (Mikolov et al. 2010).
"""

import argparse
import math

import numbatorch as torch
from numbatorch import nn
from numbatorch.datasets import find_text
from numbatorch.nn import functional as F


class Model(nn.Module):
    def __init__(self, symbols, width):
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, dropout=0.1)
        self.head = nn.Linear(width, symbols)

    def forward(self, x, state=None):  # (T, N) of symbols
        y, state = self.lstm(self.embedding(x), state)
        return self.head(y), state


def main(arguments=None):
    """Train; returns the perplexity of the first and of the last steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--data", metavar="PATH")
    options = parser.parse_args(arguments)
    torch.manual_seed(1)
    source = find_text(options.data)
    symbols = sorted(set(source.text))
    number = {c: k for k, c in enumerate(symbols)}
    text = torch.tensor([number[c] for c in source.text])
    columns = text[:len(text) // options.batch_size * options.batch_size].view(options.batch_size, -1).T  # (time, N)
    print(f"{source.name}: {len(text):,} characters, {len(symbols)} different")
    model = Model(len(symbols), options.width)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses, state = [], None
    for step in range(options.steps):
        at = step * options.length % (len(columns) - options.length - 1)
        x, y = columns[at:at + options.length], columns[at + 1:at + options.length + 1]
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
        if step % 50 == 0 or step == options.steps - 1:
            print(f"step {step:4d}  perplexity {math.exp(losses[-1]):.2f}")
    return math.exp(losses[0]), math.exp(losses[-1])


if __name__ == "__main__":
    main()
