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
    assert (many.image.height, many.image.width) == (2, 15)


@needs_package
def test_texts_and_hyperparameters(tmp_path):
    from numbatorch.utils.tensorboard import SummaryWriter
    with SummaryWriter(tmp_path, purge_step=2) as writer:
        writer.add_text("note", "some *text*", 1)
        writer.add_hparams({"rate": 0.1, "name": "sgd", "fast": True}, {"loss": 0.25}, {"name": ["sgd", "adam"]}, "run")
        with pytest.raises(ValueError, match="one of int, float, str, bool, or torch.Tensor"):
            writer.add_hparams({"rates": [0.1]}, {"loss": 0.25})
        with pytest.raises(NotImplementedError, match="add_onnx_graph"):
            writer.add_onnx_graph("model.onnx")
    (_, note), = values(tmp_path)
    assert note.tensor.string_val[0] == b"some *text*" and note.metadata.plugin_data.plugin_name == "text"
    assert any(e.HasField("session_log") and e.step == 2 for e in events(tmp_path))
    tags = [v.tag for _, v in values(tmp_path / "run")]
    assert tags == ["_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info", "loss"]


@needs_package
def test_tensors(tmp_path):
    from tensorboard.util.tensor_util import make_ndarray

    from numbatorch.utils.tensorboard import SummaryWriter
    given = [torch.arange(6).reshape(2, 3), torch.rand(2, dtype=torch.float64), torch.tensor([1 + 2j]),
             torch.tensor([True, False]), torch.tensor([1.5], dtype=torch.float16)]
    with SummaryWriter(tmp_path) as writer:
        for k, tensor in enumerate(given):
            writer.add_tensor("t", tensor, k)
        writer.add_tensor("narrow", torch.tensor([1.0, -2.0], dtype=torch.bfloat16))
        writer.add_scalar("new", 2.5, new_style=True, double_precision=True)
        with pytest.raises(ValueError, match="no dtype"):
            writer.add_tensor("bad", np.array(["text"]))
    *found, (_, narrow), (_, new) = values(tmp_path)
    for tensor, (_, value) in zip(given, found, strict=True):
        np.testing.assert_array_equal(make_ndarray(value.tensor), tensor.numpy())
    assert list(narrow.tensor.half_val) == [0x3F80, 0xC000] and list(new.tensor.double_val) == [2.5]


@needs_package
def test_boxes_films_and_sound(tmp_path):
    import wave

    from PIL import Image

    from numbatorch.utils.tensorboard import SummaryWriter
    with SummaryWriter(tmp_path) as writer:
        writer.add_image_with_boxes("boxes", torch.ones(3, 20, 20), torch.tensor([[2.0, 3, 10, 12]]), labels="x",
                                    rescale=2)
        writer.add_video("film", torch.rand(2, 5, 3, 4, 6), fps=10)
        writer.add_audio("sound", torch.tensor([[0.0, 1.0, -2.0]]), sample_rate=8000)
        with pytest.raises(ValueError, match="add_video"):
            writer.add_video("film", torch.rand(5, 3, 4, 6))
        with pytest.raises(ValueError, match="one channel"):
            writer.add_audio("sound", torch.rand(2, 10))
    (_, boxes), (_, film), (_, sound) = values(tmp_path)
    picture = Image.open(io.BytesIO(boxes.image.encoded_image_string))
    assert picture.size == (40, 40) and (np.asarray(picture)[..., 1] < 128).any()
    moving = Image.open(io.BytesIO(film.image.encoded_image_string))
    assert moving.format == "GIF" and moving.size == (12, 4)
    assert (film.image.height, film.image.width) == (4, 12)
    with wave.open(io.BytesIO(sound.audio.encoded_audio_string)) as file:
        assert np.frombuffer(file.readframes(3), "<i2").tolist() == [0, 32767, -32767] and file.getframerate() == 8000


@needs_package
def test_precision_and_recall(tmp_path):
    from tensorboard.util.tensor_util import make_ndarray

    from numbatorch.utils.tensorboard import SummaryWriter
    labels, predictions = torch.tensor([0, 1, 1, 0, 1]), torch.tensor([0.1, 0.9, 0.4, 0.6, 0.8])
    with SummaryWriter(tmp_path) as writer:
        writer.add_pr_curve("curve", labels, predictions, num_thresholds=5)
        writer.add_pr_curve("weighed", labels, predictions, num_thresholds=5, weights=torch.full((5,), 2.0))
        writer.add_pr_curve_raw("raw", [1.0, 1], [0.0, 0], [1.0, 1], [0.0, 1], [1.0, 1], [1.0, 0.5], num_thresholds=2)
    rows, weighed, raw = (make_ndarray(v.tensor) for _, v in values(tmp_path))
    third = np.float32(2 / 3)
    np.testing.assert_array_equal(rows, np.float32([[3, 3, 2, 2, 0], [2, 1, 1, 0, 0], [0, 1, 1, 2, 2], [0, 0, 1, 1, 3],
                                                    [0.6, 0.75, third, 1, 0], [1, 1, third, third, 0]]))
    np.testing.assert_array_equal(weighed[:4], 2 * rows[:4])
    assert raw.shape == (6, 2)


@needs_package
def test_charts_of_several_scalars(tmp_path):
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    from numbatorch.utils.tensorboard import SummaryWriter
    with SummaryWriter(tmp_path) as writer:
        writer.add_custom_scalars({"loss": {"both": ["Multiline", ["a", "b"]], "range": ["Margin", ["c", "d", "e"]]}})
        writer.add_custom_scalars_multilinechart(["a", "b"])
        writer.add_custom_scalars_marginchart(["a", "b", "c"], "some", "title")
        with pytest.raises(ValueError, match="three tags"):
            writer.add_custom_scalars_marginchart(["a"])
    both, lines, margin = (Layout.FromString(v.tensor.string_val[0]) for _, v in values(tmp_path))
    assert [c.title for c in both.category[0].chart] == ["both", "range"]
    assert both.category[0].chart[1].margin.series[0].lower == "d"
    assert list(lines.category[0].chart[0].multiline.tag) == ["a", "b"] and margin.category[0].title == "some"


@needs_package
def test_meshes(tmp_path):
    from tensorboard.util.tensor_util import make_ndarray

    from numbatorch.utils.tensorboard import SummaryWriter
    points, faces = torch.rand(1, 4, 3), torch.tensor([[[0, 1, 2]]])
    with SummaryWriter(tmp_path) as writer:
        writer.add_mesh("m", points, torch.zeros(1, 4, 3), faces, {"camera": {"fov": 60}}, 3)
        writer.add_mesh("cloud", points)
    found = {v.tag: v for _, v in values(tmp_path)}
    assert list(found) == ["m_VERTEX", "m_FACE", "m_COLOR", "cloud_VERTEX"]
    np.testing.assert_array_equal(make_ndarray(found["m_VERTEX"].tensor), points.numpy())
    assert b'"fov": 60' in found["m_FACE"].metadata.plugin_data.content


@needs_package
def test_embeddings(tmp_path):
    from PIL import Image

    from numbatorch.utils.tensorboard import SummaryWriter
    points = torch.arange(12.0).reshape(4, 3)
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(points, list("abcd"), torch.rand(4, 3, 5, 5), 7)
        writer.add_embedding(points, [("a", 1)] * 4, tag="two", metadata_header=["name", "kind"])
        with pytest.raises(AssertionError, match="#labels should equal"):
            writer.add_embedding(points, ["a"], tag="three")
        with pytest.warns(UserWarning, match="is there already"):
            writer.add_embedding(points, tag="two")
    folder = tmp_path / "00007" / "default"
    assert (folder / "metadata.tsv").read_text() == "a\nb\nc\nd\n"
    assert (folder / "tensors.tsv").read_text().splitlines()[1] == "3.0\t4.0\t5.0"
    with Image.open(folder / "sprite.png") as sprite:
        assert sprite.size == (10, 10)
    settings = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_name: "default:00007"' in settings and 'metadata_path: "00000/two/metadata.tsv"' in settings


@needs_package
def test_graphs(tmp_path):
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    from numbatorch.utils.tensorboard import SummaryWriter

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU())

        def forward(self, x, y):
            return {"sum": self.layers(x) + y, "twice": (x * 2).add_(1)}
    model = Model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, (torch.rand(2, 3), torch.rand(4)))
        with pytest.raises(ValueError, match="input_to_model"):
            writer.add_graph(model)
    event, = [e for e in events(tmp_path) if e.HasField("graph_def")]
    nodes = {n.name: n for n in GraphDef.FromString(event.graph_def).node}
    linear = nodes["Model/Sequential[layers]/Linear[0]/linear"]
    assert linear.op == "aten::linear" and list(linear.input) == [
        "input/input.1", "Model/Sequential[layers]/Linear[0]/weight", "Model/Sequential[layers]/Linear[0]/bias"]
    assert [d.size for d in linear.attr["_output_shapes"].list.shape[0].dim] == [2, 4]
    assert set(nodes["Model/add"].input) == {"Model/Sequential[layers]/ReLU[2]/relu", "input/input.2"}
    assert nodes["output/output.2"].input == [n for n in nodes if n.startswith("Model/add")][-1:]
    assert all(i in nodes for n in nodes.values() for i in n.input)
    assert model.training and all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@needs_package
def test_files_go_on_after_close(tmp_path):
    from numbatorch.utils.tensorboard import FileWriter, SummaryWriter
    from numbatorch.utils.tensorboard.summary import hparams, scalar
    writer = SummaryWriter(tmp_path)
    writer.close()
    writer.add_histogram_raw("h", 0, 3, 4, 5.0, 9.0, [1.0, 2.0, 3.0], [1, 2, 1], 3)
    for message in hparams({"rate": 1}, {"loss": 0}):
        writer._get_file_writer().add_summary(message)
    writer.close()
    assert [v.tag for _, v in values(tmp_path)][0] == "h" and len(values(tmp_path)) == 4
    other = FileWriter(tmp_path / "other")
    other.add_summary(scalar("s", 1), 5)
    other.close()
    assert [s for s, _ in values(tmp_path / "other")] == [5]
