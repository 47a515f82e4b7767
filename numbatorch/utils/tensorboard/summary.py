"""Values as TensorBoard's Summary messages: one function for each kind, named as its `SummaryWriter.add_*`."""

import json
import logging

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api_pb2, metadata as hparams_metadata, plugin_data_pb2
from tensorboard.plugins.mesh import metadata as mesh_metadata
from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData
from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

from numbatorch import Tensor, bfloat16, uint16

from . import media
from .media import array

__all__ = ["audio", "custom_scalars", "histogram", "histogram_raw", "hparams", "image", "image_boxes", "mesh",
           "pr_curve", "pr_curve_raw", "scalar", "tensor_proto", "text", "video"]

# dtype's name: (TensorBoard's, the field of the values, what they are stored as)
_TYPES = {"float16": ("DT_HALF", "half_val", np.uint16), "bfloat16": ("DT_BFLOAT16", "half_val", np.uint16),
          "float32": ("DT_FLOAT", "float_val", np.float32), "float64": ("DT_DOUBLE", "double_val", np.float64),
          "int8": ("DT_INT8", "int_val", np.int8), "int16": ("DT_INT16", "int_val", np.int16),
          "int32": ("DT_INT32", "int_val", np.int32), "int64": ("DT_INT64", "int64_val", np.int64),
          "uint8": ("DT_UINT8", "int_val", np.uint8), "bool": ("DT_BOOL", "bool_val", np.bool_),
          "complex64": ("DT_COMPLEX64", "scomplex_val", np.float32),
          "complex128": ("DT_COMPLEX128", "dcomplex_val", np.float64)}


def _shape(shape):
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in shape])


def _message(values):
    """A TensorProto of a tensor or an array. ValueError for dtypes that TensorBoard does not know."""
    narrow = isinstance(values, Tensor) and values.dtype is bfloat16
    values = array(values.detach().cpu().view(uint16) if narrow else values)
    name = "bfloat16" if narrow else values.dtype.name
    if name not in _TYPES:
        raise ValueError(f"add_tensor: TensorBoard has no dtype {name}")
    kind, field, stored = _TYPES[name]
    flat = np.ascontiguousarray(values).reshape(-1).view(stored)
    return TensorProto(dtype=kind, tensor_shape=_shape(values.shape), **{field: flat.tolist()})


def _plugin(name, content=b""):
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=name, content=content))


def _floats(tag, values, metadata):
    message = _message(np.asarray(values, np.float32))
    return Summary(value=[Summary.Value(tag=tag, tensor=message, metadata=metadata)])


def scalar(name, tensor, collections=None, new_style=False, double_precision=False):
    """A number; new_style: as a tensor, of float64 where double_precision says so. ValueError for more than one."""
    value = array(tensor)
    if value.size != 1:
        raise ValueError(f"add_scalar: {name!r} should be one number, got the shape {value.shape}")
    value = float(value.reshape(()))
    if not new_style:
        return Summary(value=[Summary.Value(tag=name, simple_value=value)])
    message = TensorProto(double_val=[value], dtype="DT_DOUBLE") if double_precision else TensorProto(
        float_val=[value], dtype="DT_FLOAT")
    return Summary(value=[Summary.Value(tag=name, tensor=message, metadata=_plugin("scalars"))])


def tensor_proto(tag, tensor):
    """A tensor."""
    return Summary(value=[Summary.Value(tag=tag, tensor=_message(tensor), metadata=_plugin("tensor"))])


def text(tag, text):
    """A text in Markdown."""
    content = TextPluginData(version=0).SerializeToString()
    message = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=_shape((1,)))
    return Summary(value=[Summary.Value(tag=f"{tag}/text_summary", metadata=_plugin("text", content), tensor=message)])


def histogram_raw(name, min, max, num, sum, sum_squares, bucket_limits, bucket_counts):
    """A histogram whose numbers are known: limits are right edges, as many as counts. ValueError where they are not."""
    if len(bucket_limits) != len(bucket_counts):
        raise ValueError(f"add_histogram_raw: {len(bucket_limits)} limits for {len(bucket_counts)} counts")
    return Summary(value=[Summary.Value(tag=name, histo=HistogramProto(
        min=min, max=max, num=num, sum=sum, sum_squares=sum_squares, bucket_limit=bucket_limits,
        bucket=bucket_counts))])


def histogram(name, values, bins, max_bins=None):
    """How values are distributed. bins: edges, a number, a way of numpy.histogram, or "tensorflow": edges that grow by
    a tenth from 1e-12 on, to both sides of 0. ValueError where there are no values."""
    values = array(values).astype(np.float64).ravel()
    if values.size == 0:
        raise ValueError(f"add_histogram: {name!r} has no values")
    if isinstance(bins, str) and bins == "tensorflow":
        grown = 1e-12 * 1.1 ** np.arange(774)  # up to 1e20
        bins = np.concatenate((-grown[::-1], [0.0], grown))
    counts, edges = np.histogram(values, bins)
    if max_bins is not None and len(counts) > max_bins:
        starts = np.arange(0, len(counts), -(-len(counts) // max_bins))
        counts, edges = np.add.reduceat(counts, starts), np.append(edges[starts], edges[-1])
    full = np.flatnonzero(counts)
    first, last = (full[0], full[-1] + 1) if len(full) else (0, len(counts))
    return histogram_raw(name, values.min(), values.max(), len(values), values.sum(), values.dot(values),
                         edges[first:last + 1].tolist(), [0, *counts[first:last].tolist()])


def _picture(tag, pixels):
    height, width, channels = pixels.shape
    return Summary(value=[Summary.Value(tag=tag, image=Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=media.png(pixels)))])


def image(tag, tensor, rescale=1, dataformats="NCHW"):
    """An image or several: floats of 0 to 1, or bytes. ValueError where the shape does not fit `dataformats`."""
    return _picture(tag, media.resized(media.pixels(tensor, dataformats), rescale))


def image_boxes(tag, tensor_image, tensor_boxes, rescale=1, dataformats="CHW", labels=None):
    """An image with frames, (N, 4): left, top, right, bottom; a text for each frame in `labels`."""
    pixels = media.boxed(media.pixels(tensor_image, dataformats), array(tensor_boxes), labels)
    return _picture(tag, media.resized(pixels, rescale))


def video(tag, tensor, fps=4):
    """Films, (N, T, C, H, W), as an animated GIF."""
    encoded, (height, width, channels) = media.film(tensor, fps)
    return Summary(value=[Summary.Value(tag=tag, image=Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=encoded))])


def audio(tag, tensor, sample_rate=44100):
    """Sound: (L) or (1, L) numbers from -1 to 1."""
    encoded, count = media.sound(tensor, sample_rate)
    return Summary(value=[Summary.Value(tag=tag, audio=Summary.Audio(
        sample_rate=sample_rate, num_channels=1, length_frames=count, encoded_audio_string=encoded,
        content_type="audio/wav"))])


def _curve(tag, rows, num_thresholds):
    content = PrCurvePluginData(version=0, num_thresholds=num_thresholds).SerializeToString()
    return _floats(tag, rows, _plugin("pr_curves", content))


def pr_curve_raw(tag, tp, fp, tn, fn, precision, recall, num_thresholds=127, weights=None):
    """A curve of precision and recall whose numbers are known, one for each threshold."""
    return _curve(tag, np.stack([array(v) for v in (tp, fp, tn, fn, precision, recall)]), min(num_thresholds, 127))


def pr_curve(tag, labels, predictions, num_thresholds=127, weights=None):
    """Precision and recall of predictions (0 to 1) of labels (0 or 1), at thresholds from 0 to 1."""
    num_thresholds = min(num_thresholds, 127)  # of more, the files of all steps grow large
    labels, predictions = array(labels).ravel().astype(np.float64), array(predictions).ravel()
    weights = 1.0 if weights is None else array(weights).ravel()
    reached = np.floor(predictions.astype(np.float64) * (num_thresholds - 1)).astype(np.int64)

    def at_least(shares):  # how much reaches each threshold
        counts = np.bincount(reached, shares, num_thresholds)[:num_thresholds]
        return counts[::-1].cumsum()[::-1]
    tp, fp = at_least(labels * weights), at_least((1 - labels) * weights)
    fn, tn = tp[0] - tp, fp[0] - fp
    smallest = 1e-7  # instead of a division by 0
    return _curve(tag, np.stack((tp, fp, tn, fn, tp / np.maximum(smallest, tp + fp),
                                 tp / np.maximum(smallest, tp + fn))), num_thresholds)


def custom_scalars(layout):
    """Which scalars share charts: {category: {title: ["Multiline" or "Margin", [tags]]}}."""
    categories = []
    for category, charts in layout.items():
        made = []
        for title, (kind, tags) in charts.items():
            if kind == "Margin":
                if len(tags) != 3:
                    raise ValueError(f"add_custom_scalars: a margin chart has three tags (value, lower, upper), "
                                     f"{title!r} got {tags}")
                series = layout_pb2.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])
                made.append(layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=[series])))
            else:
                made.append(layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags)))
        categories.append(layout_pb2.Category(title=category, chart=made))
    message = TensorProto(dtype="DT_STRING", tensor_shape=TensorShapeProto(),
                          string_val=[layout_pb2.Layout(category=categories).SerializeToString()])
    return Summary(value=[Summary.Value(tag="custom_scalars__config__", tensor=message,
                                        metadata=_plugin("custom_scalars"))])


def mesh(tag, vertices, colors, faces, config_dict, display_name=None, description=None):
    """Points in space, (B, N, 3), with colours (B, N, 3) and triangles of points (B, F, 3); None for what is not there.

    config_dict: settings of three.js, as JSON.
    """
    settings = json.dumps(config_dict, sort_keys=True) if config_dict is not None else "{}"
    kinds = MeshPluginData
    parts = [(kind, np.asarray(array(v), np.float32)) for kind, v in (
        (kinds.VERTEX, vertices), (kinds.FACE, faces), (kinds.COLOR, colors)) if v is not None]
    components = mesh_metadata.get_components_bitmask([kind for kind, _ in parts])
    values = []
    for kind, value in parts:
        metadata = mesh_metadata.create_summary_metadata(
            tag, display_name, kind, components, value.shape, description, json_config=settings)
        name = mesh_metadata.get_instance_name(tag, kind)
        values.append(Summary.Value(tag=name, tensor=_message(value), metadata=metadata))
    return Summary(value=values)


def hparams(hparam_dict=None, metric_dict=None, hparam_domain_discrete=None):
    """(experiment, start, end) of hyperparameters (numbers, bools, strings) and the names of what came of them.

    TypeError for what is no dictionary, ValueError for values of other kinds.
    """
    for given in (hparam_dict, metric_dict):
        if not isinstance(given, dict):
            logging.getLogger(__name__).warning("hparam_dict and metric_dict should be dictionary, nothing logged.")
            raise TypeError(f"hparam_dict and metric_dict should be dictionary, got {type(given).__name__}")
    domains = hparam_domain_discrete or {}
    if not isinstance(domains, dict):
        raise TypeError(f"hparam_domain_discrete should be a dictionary, got {type(domains).__name__}")
    infos, start = [], plugin_data_pb2.SessionStartInfo()
    for name, value in hparam_dict.items():
        if value is None:
            continue
        field, kind = _kind(name, value)
        setattr(start.hparams[name], field, value.item() if isinstance(value, Tensor) else value)
        info = api_pb2.HParamInfo(name=name, type=api_pb2.DataType.Value(kind))
        for choice in domains.get(name, ()):
            if _kind(name, choice)[0] != field:
                raise TypeError(f"hparam_domain_discrete[{name!r}]: {choice!r} is not of the kind of {value!r}")
            info.domain_discrete.values.add(**{field: choice})
        infos.append(info)
    metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name)) for name in metric_dict]
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS)
    parts = ((hparams_metadata.EXPERIMENT_TAG, {"experiment": api_pb2.Experiment(
        hparam_infos=infos, metric_infos=metrics)}), (hparams_metadata.SESSION_START_INFO_TAG, {
            "session_start_info": start}), (hparams_metadata.SESSION_END_INFO_TAG, {"session_end_info": end}))
    return tuple(Summary(value=[Summary.Value(tag=tag, metadata=hparams_metadata.create_summary_metadata(
        plugin_data_pb2.HParamsPluginData(**data)))]) for tag, data in parts)


def _kind(name, value):
    """(the field of a value, TensorBoard's dtype)."""
    if isinstance(value, bool):
        return "bool_value", "DATA_TYPE_BOOL"
    if isinstance(value, str):
        return "string_value", "DATA_TYPE_STRING"
    if isinstance(value, (int, float, Tensor)):
        return "number_value", "DATA_TYPE_FLOAT64"
    raise ValueError(f"add_hparams: value should be one of int, float, str, bool, or torch.Tensor, {name!r} is "
                     f"{type(value).__name__}")
