"""A small GPT that learns to write, character by character.

    python examples/char_gpt.py --data input.txt      without --data: Tiny Shakespeare, or Python's manual offline

Blocks of causal attention and a two-layer network, each after a layer norm (Radford et al. 2019, section 2.3).
"""

import argparse

import numbatorch as torch
from numbatorch import nn
from numbatorch.datasets import find_text
from numbatorch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):  # (N, T, width)
        n, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (N, heads, T, width / heads)
        x = x + self.project(mixed.transpose(1, 2).reshape(n, length, width))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, symbols, context, width, heads, layers):
        super().__init__()
        self.context = context
        self.tokens, self.places = nn.Embedding(symbols, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, symbols, bias=False)

    def forward(self, x):  # (N, T) of symbols -> (N, T, symbols)
        return self.head(self.norm(self.blocks(self.tokens(x) + self.places(torch.arange(x.shape[1])))))

    @torch.no_grad()
    def sample(self, x, count, temperature=0.8):
        """Continue the texts x (N, T) by `count` symbols."""
        for _ in range(count):
            logits = self(x[:, -self.context:])[:, -1] / temperature
            x = torch.cat([x, torch.multinomial(logits.softmax(-1), 1)], 1)
        return x


def main(arguments=None):
    """Train, print a sample; returns the first and the last loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--data", metavar="PATH")
    options = parser.parse_args(arguments)
    torch.manual_seed(1)
    source = find_text(options.data)
    symbols = sorted(set(source.text))
    number = {c: k for k, c in enumerate(symbols)}
    text = torch.tensor([number[c] for c in source.text])
    print(f"{source.name}: {len(text):,} characters, {len(symbols)} different")
    model = GPT(len(symbols), options.context, options.width, heads=4, layers=3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for step in range(options.steps):
        starts = torch.randint(len(text) - options.context - 1, (options.batch_size, 1))
        window = text[starts + torch.arange(options.context + 1)]
        loss = F.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step % 50 == 0 or step == options.steps - 1:
            print(f"step {step:4d}  loss {losses[-1]:.3f}")
    written = model.sample(text[:1].view(1, 1), 200)[0]
    print("".join(symbols[k] for k in written.tolist()))
    return losses[0], losses[-1]


if __name__ == "__main__":
    main()
