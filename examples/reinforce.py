"""Reinforcement learning: a policy learns to balance a pole on a cart by trying (Williams 1992, REINFORCE).

    python examples/reinforce.py

The cart and pole are those of Barto, Sutton & Anderson 1983: push left or right 50 times a second, keep the pole within
12 degrees and the cart within 2.4 metres.
"""

import argparse
import math

import numpy as np

import numbatorch as torch
from numbatorch import nn


class CartPole:
    """State: position, speed, angle, angular speed. `step(0 or 1)` returns (state, whether it goes on)."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def reset(self):
        self.state = self.random.uniform(-0.05, 0.05, 4)
        return self.state

    def step(self, action):
        x, speed, angle, turn = self.state
        force = 10.0 if action else -10.0
        sine, cosine = math.sin(angle), math.cos(angle)
        pushed = (force + 0.05 * turn**2 * sine) / 1.1  # pole of 0.1 kg and 0.5 m to its centre, 1.1 kg in all
        turning = (9.8 * sine - cosine * pushed) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
        moving = pushed - 0.05 * turning * cosine / 1.1
        self.state = np.array([x + 0.02 * speed, speed + 0.02 * moving, angle + 0.02 * turn, turn + 0.02 * turning])
        return self.state, abs(self.state[0]) < 2.4 and abs(self.state[2]) < math.radians(12)


def episode(game, policy, longest):
    """Play once: the log chances of the actions taken, one for each step survived."""
    state, chances, alive = game.reset(), [], True
    while alive and len(chances) < longest:
        scores = policy(torch.tensor(state, dtype=torch.float32)).log_softmax(-1)
        action = int(torch.multinomial(scores.detach().exp(), 1))
        chances.append(scores[action])
        state, alive = game.step(action)
    return chances


def main(arguments=None):
    """Learn; returns the mean length of the first and of the last episodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=150)
    parser.add_argument("--longest", type=int, default=200)
    options = parser.parse_args(arguments)
    torch.manual_seed(1)
    game = CartPole(1)
    policy = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    lengths = []
    for number in range(options.episodes):
        chances = episode(game, policy, options.longest)
        rewards, following = [], 0.0
        for _ in chances:
            following = 1.0 + 0.99 * following
            rewards.insert(0, following)
        gains = torch.tensor(rewards)
        gains = (gains - gains.mean()) / (gains.std() + 1e-6) if len(rewards) > 1 else gains
        loss = -(torch.stack(chances) * gains).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        lengths.append(len(chances))
        if number % 25 == 24:
            print(f"episode {number + 1:4d}  mean length {sum(lengths[-25:]) / 25:.1f}")
    tenth = max(1, len(lengths) // 10)
    return sum(lengths[:tenth]) / tenth, sum(lengths[-tenth:]) / tenth


if __name__ == "__main__":
    main()
