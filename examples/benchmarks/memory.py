"""Peak memory of training steps, against PyTorch.

    PYTHONPATH=.:FOLDER_OF_BENCH python examples/benchmarks/memory.py [--steps 6] [MODEL ...]

Each library trains each model of the measuring program `bench` in a process of its own. What counts is the most memory
the process ever had (VmHWM, reset before the first step) above what it had once the library was imported and the model
and its data were made; kernels and their compiler's library count as well. The kernel cache should be warm: a first run
that compiles needs some 100 MB for that. `live` is what tensors alone took at most, as torch.cpu.memory_stats() counts.
`varying` is the GPT of `bench` with another sequence length at each step: what an allocator keeps too long shows there.
Linux only: it reads /proc.
"""

import argparse
import gc
import importlib
import json
import random
import subprocess
import sys

LIBRARIES = ("torch", "numbatorch")
MODELS = "mlp mnist_cnn lenet5 resnet18_cifar gpt vit_tiny lstm_lm vae varying".split()


def resident(field):
    """A field of /proc/self/status in MB: VmRSS is the memory held now, VmHWM the most so far."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def varying(torch, env):
    """A step of training on sentences of 16 to 256 tokens, drawn anew each time."""
    nn, functional = torch.nn, torch.nn.functional
    embed, head = nn.Embedding(65, 128), nn.Linear(128, 65)
    body = nn.TransformerEncoder(nn.TransformerEncoderLayer(128, 4, 512, 0.0, batch_first=True), 2,
                                 enable_nested_tensor=False)
    parameters = [*embed.parameters(), *body.parameters(), *head.parameters()]
    optimizer, lengths = torch.optim.AdamW(parameters), random.Random(0)

    def step():
        tokens = env.integers(65, 16, lengths.randint(16, 256))
        optimizer.zero_grad()
        functional.cross_entropy(head(body(embed(tokens))).flatten(0, 1), tokens.flatten()).backward()
        optimizer.step()
    return step


def measure(library, model, steps):
    """{"built", "peak", "live"} in MB of one library and model, in this process."""
    from bench import models  # noqa: F401  (registers the cases)
    from bench.cases import CASES, Env
    torch = importlib.import_module(library)
    torch.set_num_threads(2)
    env = Env(torch)
    step = varying(torch, env) if model == "varying" else CASES["models"][model].build(env)
    gc.collect()
    built = resident("VmRSS")
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")  # VmHWM starts anew
    for _ in range(steps * (8 if model == "varying" else 1)):
        step()
    live = torch.cpu.memory_stats()["peak"] / 2**20 if library == "numbatorch" else None
    return {"built": built, "peak": resident("VmHWM") - built, "live": live}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--measure", nargs=2, metavar=("LIBRARY", "MODEL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure, options.steps)))
        return
    print(f"{'MB above import and model':26}{'torch':>8}{'numbatorch':>12}{'ratio':>8}{'live':>8}")
    for model in options.models:
        found = {}
        for library in LIBRARIES:
            command = [sys.executable, __file__, "--measure", library, model, "--steps", str(options.steps)]
            if library == "numbatorch":  # once more, so that nothing is compiled when it is measured
                subprocess.run(command, check=True, capture_output=True)
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[library] = json.loads(done.stdout.splitlines()[-1])
        torch, own = (found[library] for library in LIBRARIES)
        print(f"{model:26}{torch['peak']:8.1f}{own['peak']:12.1f}{own['peak'] / torch['peak']:8.2f}{own['live']:8.1f}",
              flush=True)


if __name__ == "__main__":
    main()
