"""Short-time Fourier transforms: frames of a signal, windowed and transformed, and the way back."""

from .declare import OPS, composite


def _lengths(name, n_fft, hop_length, win_length, window):
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    if hop <= 0:
        raise RuntimeError(f"{name}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < length <= n_fft:
        raise RuntimeError(f"{name}: expected 0 < win_length <= n_fft, but got win_length={length}, n_fft={n_fft}")
    if window is not None and (window.ndim != 1 or window.shape[0] != length):
        raise RuntimeError(f"{name}: expected a 1D window tensor of size equal to win_length={length}, but got window "
                           f"with size {tuple(window.shape)}")
    return hop, length


def _window(window, n_fft, length, like):
    """The window in the middle of n_fft points; ones where there is none."""
    dtype = like.dtype.to_real() if window is None else window.dtype
    if window is None:
        window = like.new_ones((length,), dtype=dtype)
    left = (n_fft - length) // 2
    return OPS["nn.functional.pad"].call(window, (left, n_fft - length - left)) if length < n_fft else window


@composite()
def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect", normalized=False,
         onesided=None, return_complex=None, align_to_window=None):
    """Fourier transforms of frames of n_fft samples, hop_length apart: (..., T) -> (..., frequencies, frames).

    Each frame is multiplied by `window`, put into the middle of it when shorter. With `center`, frame t is centred at
    sample t * hop_length and the ends are padded. Real signals give n_fft // 2 + 1 frequencies unless `onesided=False`.
    RuntimeError for sizes that do not fit, and for real inputs that do not say `return_complex`.
    """
    if return_complex is None:
        if not (input.is_complex() or (window is not None and window.is_complex())):
            raise RuntimeError("stft requires the return_complex parameter be given for real inputs, and will further "
                               "require that return_complex=True in a future PyTorch release.")
        return_complex = True
    if input.dtype.category < 2:
        raise RuntimeError(f"stft: expected a tensor of floating point or complex values, got {input.dtype}")
    if input.ndim not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, got shape {tuple(input.shape)}")
    if center and align_to_window is not None:
        raise RuntimeError("stft: align_to_window should only be set when center = false")
    hop, length = _lengths("stft", n_fft, hop_length, win_length, window)
    signal = input.unsqueeze(0) if input.ndim == 1 else input  # (B, T)
    if center:
        half = n_fft // 2
        signal = OPS["nn.functional.pad"].call(signal.unsqueeze(1), (half, half), mode=pad_mode).squeeze(1)
    if not 0 < n_fft <= signal.shape[1]:
        raise RuntimeError(f"stft: expected 0 < n_fft <= {signal.shape[1]}, but got n_fft={n_fft}")
    frames = signal.unfold(1, n_fft, hop)  # (B, frames, n_fft)
    if window is not None or length < n_fft:
        frames = frames * _window(window, n_fft, length, input)
    if onesided is None:
        onesided = not frames.is_complex()
    if onesided and frames.is_complex():
        raise RuntimeError("stft: cannot have onesided output if window or input is complex")
    norm = "ortho" if normalized else "backward"
    transform = OPS["fft.rfft" if onesided else "fft.fft"].call
    result = transform(frames, n_fft, -1, norm).transpose(1, 2)  # (B, frequencies, frames)
    if input.ndim == 1:
        result = result.squeeze(0)
    return result if return_complex else OPS["view_as_real"].call(result)


@composite()
def istft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None,
          length=None, return_complex=False):
    """The signal whose stft is `input` (..., frequencies, frames): overlapping frames added, windows divided out.

    RuntimeError where the squared windows do not cover every sample. Griffin & Lim 1984, equation 6.
    """
    if not input.is_complex():
        raise RuntimeError(f"istft requires a complex-valued input tensor matching the output from stft with "
                           f"return_complex=True, got {input.dtype}")
    if input.ndim not in (2, 3):
        raise RuntimeError(f"istft: expected a tensor with 2 or 3 dimensions, got shape {tuple(input.shape)}")
    hop, own = _lengths("istft", n_fft, hop_length, win_length, window)
    spectrum = input.unsqueeze(0) if input.ndim == 2 else input  # (B, frequencies, frames)
    if onesided is None:
        onesided = spectrum.shape[1] != n_fft
    frequencies = n_fft // 2 + 1 if onesided else n_fft
    if spectrum.shape[1] != frequencies:
        raise RuntimeError(f"istft: expected the frequency dimension to be {frequencies} for n_fft={n_fft}, "
                           f"onesided={onesided}, got {spectrum.shape[1]}")
    norm = "ortho" if normalized else "backward"
    count = spectrum.shape[2]
    spectrum = spectrum.transpose(1, 2)
    if return_complex:
        if onesided:
            raise RuntimeError("istft: cannot have onesided output if window or input is complex")
        frames = OPS["fft.ifft"].call(spectrum, n_fft, -1, norm)
    else:
        if not onesided:
            spectrum = spectrum[:, :, :n_fft // 2 + 1]
        frames = OPS["fft.irfft"].call(spectrum, n_fft, -1, norm)
    shape = _window(window, n_fft, own, frames)
    total = n_fft + hop * (count - 1)
    signal = _overlap(frames * shape, total, hop)                                     # (B, total)
    weight = _overlap((shape * shape).expand(1, count, n_fft), total, hop)            # (1, total)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - n_fft // 2 if center else total
    signal, weight = signal[:, start:end], weight[:, start:end]
    if weight.numel() and not bool((weight.abs() > 1e-11).all()):
        raise RuntimeError("istft: the windows overlap to zero at some sample; choose another window or a smaller "
                           "hop_length")
    signal = signal / weight
    missing = (length or 0) - signal.shape[1]
    if missing > 0:
        signal = OPS["nn.functional.pad"].call(signal, (0, missing))
    return signal.squeeze(0) if input.ndim == 2 else signal


def _overlap(frames, total, hop):
    """Frames (B, count, n) added up at multiples of hop: (B, total)."""
    batch, count, n = frames.shape
    from ..tensor import arange
    index = (arange(count, frames.device).unsqueeze(1) * hop + arange(n, frames.device)).reshape(-1)
    return frames.new_zeros((batch, total)).index_add(1, index, frames.reshape(batch, count * n))
