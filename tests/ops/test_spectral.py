"""Short-time transforms against NumPy, and back; windows against their formulas."""

import numpy as np
import pytest

import numbatorch as torch

RNG = np.random.default_rng(0)
SIGNAL = RNG.standard_normal((2, 60))


def reference(signal, n, hop, window, center):
    if center:
        signal = np.pad(signal, ((0, 0), (n // 2, n // 2)), mode="reflect")
    frames = [np.fft.rfft(signal[:, s:s + n] * window) for s in range(0, signal.shape[1] - n + 1, hop)]
    return np.stack(frames, axis=-1)


@pytest.mark.parametrize(("n", "hop", "center"), [(16, 4, True), (16, 5, False), (9, 3, True)])
def test_stft(n, hop, center):
    window = np.hanning(n)
    got = torch.stft(torch.tensor(SIGNAL), n, hop, window=torch.tensor(window), center=center, return_complex=True)
    np.testing.assert_allclose(got.numpy(), reference(SIGNAL, n, hop, window, center), atol=1e-12)


def test_short_windows_stand_in_the_middle():
    window = np.zeros(16)
    window[4:12] = 1
    got = torch.stft(torch.tensor(SIGNAL[0]), 16, 4, 8, window=torch.ones(8, dtype=torch.float64), return_complex=True)
    np.testing.assert_allclose(got.numpy(), reference(SIGNAL[:1], 16, 4, window, True)[0], atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"normalized": True}, {"onesided": False}, {"hop_length": 3}])
def test_istft_is_the_way_back(options):
    x, window = torch.tensor(SIGNAL), torch.hann_window(16, dtype=torch.float64)
    spectrum = torch.stft(x, 16, window=window, return_complex=True, **options)
    back = torch.istft(spectrum, 16, window=window, length=60, **options)
    np.testing.assert_allclose(back.numpy(), SIGNAL, atol=1e-12)


def test_gradients():
    x = torch.tensor(SIGNAL[0, :24], requires_grad=True)
    window = torch.hann_window(8, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda t: torch.stft(t, 8, 2, window=window, return_complex=True).abs(), (x,))


def test_errors():
    x = torch.tensor(SIGNAL[0])
    with pytest.raises(RuntimeError, match="return_complex"):
        torch.stft(x, 8)
    with pytest.raises(RuntimeError, match="n_fft"):
        torch.stft(x, 100, center=False, return_complex=True)
    with pytest.raises(RuntimeError, match="window"):
        torch.stft(x, 8, window=torch.ones(7), return_complex=True)
    with pytest.raises(RuntimeError, match="complex"):
        torch.istft(x.reshape(5, 12), 8)
    with pytest.raises(RuntimeError, match="overlap to zero"):
        torch.istft(torch.ones(5, 4, dtype=torch.complex64), 8, hop_length=8, window=torch.zeros(8))


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8])
def test_windows(n):
    for make, values in ((torch.hann_window, np.hanning), (torch.hamming_window, np.hamming),
                         (torch.bartlett_window, np.bartlett), (torch.blackman_window, np.blackman)):
        np.testing.assert_allclose(make(n, False, dtype=torch.float64).numpy(), values(n), atol=1e-12)
        want = values(n + 1)[:n] if n > 1 else np.ones(n)
        np.testing.assert_allclose(make(n, dtype=torch.float64).numpy(), want, atol=1e-12)
    np.testing.assert_allclose(torch.kaiser_window(n, False, 5.0, dtype=torch.float64).numpy(), np.kaiser(n, 5.0),
                               atol=1e-12)


def test_window_errors():
    with pytest.raises(RuntimeError, match="non-negative"):
        torch.hann_window(-1)
    with pytest.raises(RuntimeError, match="floating point"):
        torch.hann_window(3, dtype=torch.int64)


@pytest.mark.parametrize(("mode", "named"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")])
def test_borders(mode, named):
    x = RNG.standard_normal((2, 3, 6, 7))
    for source in (torch.tensor(x), torch.tensor(x.transpose(0, 1, 3, 2).copy()).mT):
        got = torch.nn.functional.pad(source, (2, 5, 1, 0), mode)
        np.testing.assert_array_equal(got.numpy(), np.pad(x, ((0, 0), (0, 0), (1, 0), (2, 5)), named))
    t = torch.tensor(x[0, :1], requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: torch.nn.functional.pad(t, (2, 3), mode), (t,))
    assert np.array_equal(torch.nn.functional.pad(torch.tensor(x[0]), (-2, 3), mode).numpy()[..., :5], x[0, ..., 2:])
