"""SummaryWriter: what TensorBoard's own reader finds in its files; without the package it says what to install."""

import importlib.util
import io
import subprocess
import sys

import numpy as np
import pytest

import numbatorch as torch

missing = importlib.util.find_spec("tensorboard") is None
needs_package = pytest.mark.skipif(missing, reason="tensorboard is not installed")


def test_without_the_package_it_says_what_to_install():
    code = ("import sys; sys.modules['tensorboard'] = None\n"
            "import numbatorch.utils\n"
            "try:\n    from numbatorch.utils.tensorboard import SummaryWriter\n"
            "except ImportError as error:\n    print(error)\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install tensorboard" in done.stdout, done.stderr


def events(folder):
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    return [e for path in sorted(folder.glob("events*")) for e in LegacyEventFileLoader(str(path)).Load()]


def values(folder):
    return [(e.step, v) for e in events(folder) for v in e.summary.value]


@needs_package
def test_scalars(tmp_path):
    from numbatorch.utils.tensorboard import SummaryWriter
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", torch.tensor(0.5), 3)
        writer.add_scalars("pair", {"a": 1, "b": 2.0}, 1)
        with pytest.raises(ValueError, match="one number"):
            writer.add_scalar("loss", torch.ones(2))
    assert [(s, v.tag, v.simple_value) for s, v in values(tmp_path)] == [(3, "loss", 0.5)]
    assert [v.simple_value for _, v in values(tmp_path / "pair_b")] == [2.0]


@needs_package
def test_histograms(tmp_path):
    from numbatorch.utils.tensorboard import SummaryWriter
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("w", torch.tensor([-1.0, 0.5, 0.5, 2.0]))
        writer.add_histogram("w", torch.arange(10.0), bins=8, max_bins=3)
    (_, first), (_, second) = values(tmp_path)
    assert (first.histo.num, first.histo.min, first.histo.max, first.histo.sum) == (4, -1, 2, 2)
    assert sum(first.histo.bucket) == 4 and len(first.histo.bucket) == len(first.histo.bucket_limit)
    assert sum(second.histo.bucket) == 10 and len(second.histo.bucket) == 4


@needs_package
def test_images(tmp_path):
    from PIL import Image

    from numbatorch.utils.tensorboard import SummaryWriter
    image = torch.rand(3, 4, 5)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("one", image)
        writer.add_images("many", torch.zeros(5, 1, 2, 3, dtype=torch.uint8))
        with pytest.raises(ValueError, match="dataformats"):
            writer.add_image("bad", image, dataformats="HW")
    (_, one), (_, many) = values(tmp_path)
    decoded = np.asarray(Image.open(io.BytesIO(one.image.encoded_image_string)))
    np.testing.assert_array_equal(decoded, (image.numpy() * 255).astype(np.uint8).transpose(1, 2, 0))
    assert (many.image.height, many.image.width) == (4, 9)


@needs_package
def test_texts_and_hyperparameters(tmp_path):
    from numbatorch.utils.tensorboard import SummaryWriter
    with SummaryWriter(tmp_path, purge_step=2) as writer:
        writer.add_text("note", "some *text*", 1)
        writer.add_hparams({"rate": 0.1, "name": "sgd", "fast": True}, {"loss": 0.25}, {"name": ["sgd", "adam"]}, "run")
        with pytest.raises(NotImplementedError, match="add_graph"):
            writer.add_graph(None)
    (_, note), = values(tmp_path)
    assert note.tensor.string_val[0] == b"some *text*" and note.metadata.plugin_data.plugin_name == "text"
    assert any(e.HasField("session_log") and e.step == 2 for e in events(tmp_path))
    tags = [v.tag for _, v in values(tmp_path / "run")]
    assert tags == ["_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info", "loss"]
