"""Small models of the usual kinds, each with a batch, and a whole step of them."""

import numbatorch as torch

nn, F = torch.nn, torch.nn.functional


def perceptron():
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 5))
    return model, (torch.randn(33, 20), torch.randint(0, 5, (33,)))


def lenet():
    model = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(4 * 36, 5))
    return model, (torch.randn(8, 1, 12, 12), torch.randint(0, 5, (8,)))


def transformer():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(11, 16)
            self.layer = nn.TransformerEncoderLayer(16, 2, 32, 0.1, batch_first=True, norm_first=True)
            self.out = nn.Linear(16, 11)

        def forward(self, x):
            return self.out(self.layer(self.words(x))).flatten(0, 1)
    return Model(), (torch.randint(0, 11, (3, 7)), torch.randint(0, 11, (21,)))


def recurrent():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.out = nn.LSTM(6, 12, 2, batch_first=True), nn.Linear(12, 5)

        def forward(self, x):
            return self.out(self.lstm(x)[0][:, -1])
    return Model(), (torch.randn(4, 9, 6), torch.randint(0, 5, (4,)))


def step_of(model, kind, **options):
    optimizer = getattr(torch.optim, kind)(model.parameters(), lr=0.01)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()
    return torch.compile(step, **options), optimizer
