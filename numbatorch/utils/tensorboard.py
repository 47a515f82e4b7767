"""SummaryWriter: scalars, histograms, images, texts and hyperparameters, by the writer of TensorBoard's own package."""

import os
import socket
import struct
import time
import zlib

import numpy as np

from numbatorch import Tensor

try:
    from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2
    from tensorboard.plugins.hparams import api_pb2, metadata as hparams, plugin_data_pb2
    from tensorboard.plugins.text import metadata as text_metadata
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
except ImportError as error:
    raise ImportError("utils.tensorboard: the package that writes TensorBoard's files is missing; install it with "
                      "`pip install tensorboard`") from error

__all__ = ["SummaryWriter"]

_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # channels to PNG's colour types: grey, grey and alpha, RGB, RGBA


def _array(value):
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _png(pixels):
    """PNG of (H, W, C) uint8: every line preceded by its filter, 0."""
    height, width, channels = pixels.shape

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    lines = np.zeros((height, 1 + width * channels), np.uint8)
    lines[:, 1:] = pixels.reshape(height, -1)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines.tobytes()))
            + chunk(b"IEND", b""))


def _pixels(image, dataformats):
    """(H, W, C) bytes of an image; several (N) lie side by side in a square. Floats are shares of 255."""
    image, dataformats = _array(image), dataformats.upper()
    if image.ndim != len(dataformats) or len(set(dataformats)) != len(dataformats) or set(dataformats) - set("NCHW"):
        raise ValueError(f"add_image: the shape {image.shape} does not go with dataformats={dataformats!r}")
    if image.dtype != np.uint8:
        image = (image * 255.0).clip(0, 255).astype(np.uint8) if image.dtype.kind == "f" else image.clip(
            0, 255).astype(np.uint8)
    for letter in "NHWC":
        if letter not in dataformats:
            image, dataformats = np.expand_dims(image, 0), letter + dataformats
    image = image.transpose([dataformats.index(letter) for letter in "NHWC"])
    count, height, width, channels = image.shape
    if channels not in _COLOURS:
        raise ValueError(f"add_image: expected 1 to 4 channels, got {channels} in {dataformats!r} of {image.shape}")
    columns = min(count, int(np.ceil(np.sqrt(count))))
    rows = -(-count // columns)
    grid = np.zeros((rows * columns, height, width, channels), np.uint8)
    grid[:count] = image
    return grid.reshape(rows, columns, height, width, channels).swapaxes(1, 2).reshape(
        rows * height, columns * width, channels)


class SummaryWriter:
    """Writes event files into a folder, runs/<date>_<host><comment> unless named.

    purge_step: events of an earlier run from there on are hidden. max_queue, flush_secs, filename_suffix: as of
    TensorBoard's writer. Works as a context manager.
    """

    def __init__(self, log_dir=None, comment="", purge_step=None, max_queue=10, flush_secs=120, filename_suffix=""):
        if not log_dir:
            log_dir = os.path.join("runs", f"{time.strftime('%b%d_%H-%M-%S')}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        self._options = max_queue, flush_secs, filename_suffix
        self._writers: dict = {}
        if purge_step is not None:
            self._event(self._writer(), event_pb2.Event(file_version="brain.Event:2"), purge_step, None)
            started = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._event(self._writer(), event_pb2.Event(session_log=started), purge_step, None)

    def _writer(self, folder=None):
        folder = folder or self.log_dir
        if folder not in self._writers:
            self._writers[folder] = EventFileWriter(folder, *self._options)
        return self._writers[folder]

    @staticmethod
    def _event(writer, event, step, walltime):
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        writer.add_event(event)

    def _add(self, value, step, walltime, folder=None):
        summary = summary_pb2.Summary(value=[value])
        self._event(self._writer(folder), event_pb2.Event(summary=summary), step, walltime)

    def get_logdir(self):
        """The folder."""
        return self.log_dir

    def add_scalar(self, tag, scalar_value, global_step=None, walltime=None, new_style=False, double_precision=False):
        """A number at a step. ValueError for more than one."""
        self._scalar(tag, scalar_value, global_step, walltime)

    def _scalar(self, tag, value, step, walltime, folder=None):
        value = _array(value)
        if value.size != 1:
            raise ValueError(f"add_scalar: {tag!r} should be one number, got the shape {value.shape}")
        self._add(summary_pb2.Summary.Value(tag=tag, simple_value=float(value.reshape(()))), step, walltime, folder)

    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None, walltime=None):
        """Numbers in one chart: each goes to a folder of its own, <log_dir>/<main_tag>_<tag>."""
        for tag, value in tag_scalar_dict.items():
            folder = os.path.join(self.log_dir, f"{main_tag.replace('/', '_')}_{tag}")
            self._scalar(main_tag, value, global_step, walltime, folder)

    def add_histogram(self, tag, values, global_step=None, bins="tensorflow", walltime=None, max_bins=None):
        """How values are distributed. bins: edges, a number, a way of numpy.histogram, or "tensorflow": edges that grow
        by a tenth from 1e-12 on, to both sides of 0."""
        values = _array(values).astype(np.float64).ravel()
        if values.size == 0:
            raise ValueError(f"add_histogram: {tag!r} has no values")
        if isinstance(bins, str) and bins == "tensorflow":
            grown = 1e-12 * 1.1 ** np.arange(774)  # up to 1e20
            bins = np.concatenate((-grown[::-1], [0.0], grown))
        counts, edges = np.histogram(values, bins)
        if max_bins is not None and len(counts) > max_bins:
            step = -(-len(counts) // max_bins)
            starts = np.arange(0, len(counts), step)
            counts, edges = np.add.reduceat(counts, starts), np.append(edges[starts], edges[-1])
        full = np.flatnonzero(counts)
        first, last = (full[0], full[-1] + 1) if len(full) else (0, len(counts))
        histogram = summary_pb2.HistogramProto(
            min=values.min(), max=values.max(), num=len(values), sum=values.sum(), sum_squares=values.dot(values),
            bucket_limit=edges[first:last + 1].tolist(), bucket=[0, *counts[first:last].tolist()])
        self._add(summary_pb2.Summary.Value(tag=tag, histo=histogram), global_step, walltime)

    def add_image(self, tag, img_tensor, global_step=None, walltime=None, dataformats="CHW"):
        """An image: (3, H, W), or as dataformats says; floats of 0 to 1 or bytes. ValueError where it does not fit."""
        pixels = _pixels(img_tensor, dataformats)
        image = summary_pb2.Summary.Image(height=pixels.shape[0], width=pixels.shape[1], colorspace=pixels.shape[2],
                                          encoded_image_string=_png(pixels))
        self._add(summary_pb2.Summary.Value(tag=tag, image=image), global_step, walltime)

    def add_images(self, tag, img_tensor, global_step=None, walltime=None, dataformats="NCHW"):
        """Images in a square."""
        self.add_image(tag, img_tensor, global_step, walltime, dataformats)

    def add_figure(self, tag, figure, global_step=None, close=True, walltime=None):
        """A figure of matplotlib, or several in a list; closed afterwards."""
        figures = figure if isinstance(figure, list) else [figure]
        drawn = []
        for f in figures:
            f.canvas.draw()
            drawn.append(np.asarray(f.canvas.buffer_rgba())[..., :3].copy())
            if close:
                from matplotlib import pyplot
                pyplot.close(f)
        self.add_image(tag, np.stack(drawn), global_step, walltime, "NHWC")

    def add_text(self, tag, text_string, global_step=None, walltime=None):
        """A text in Markdown."""
        described = text_metadata.create_summary_metadata(display_name=tag, description="")
        tensor = tensor_pb2.TensorProto(
            dtype="DT_STRING", string_val=[text_string.encode()],
            tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]))
        self._add(summary_pb2.Summary.Value(tag=f"{tag}/text_summary", metadata=described, tensor=tensor), global_step,
                  walltime)

    def add_hparams(self, hparam_dict, metric_dict, hparam_domain_discrete=None, run_name=None, global_step=None):
        """Hyperparameters (numbers, bools, strings) and what came of them, as a run of its own in a subfolder."""
        domains = hparam_domain_discrete or {}
        infos = []
        for name, value in hparam_dict.items():
            kind = ("DATA_TYPE_BOOL" if isinstance(value, bool) else "DATA_TYPE_STRING" if isinstance(value, str) else
                    "DATA_TYPE_FLOAT64")
            info = api_pb2.HParamInfo(name=name, type=api_pb2.DataType.Value(kind))
            for choice in domains.get(name, ()):
                info.domain_discrete.values.add(
                    **{"string_value" if isinstance(choice, str) else
                       "bool_value" if isinstance(choice, bool) else "number_value": choice})
            infos.append(info)
        metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name)) for name in metric_dict]
        values = {name: v.item() if isinstance(v, Tensor) else v for name, v in hparam_dict.items()}
        folder = os.path.join(self.log_dir, str(time.time()) if run_name is None else run_name)
        now = time.time()
        start = plugin_data_pb2.SessionStartInfo(start_time_secs=now)
        for name, value in values.items():
            kind = "bool_value" if isinstance(value, bool) else "string_value" if isinstance(value, str) else (
                "number_value")
            setattr(start.hparams[name], kind, value)
        session_end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=now)
        for tag, data in (
                (hparams.EXPERIMENT_TAG, {"experiment": api_pb2.Experiment(hparam_infos=infos, metric_infos=metrics)}),
                (hparams.SESSION_START_INFO_TAG, {"session_start_info": start}),
                (hparams.SESSION_END_INFO_TAG, {"session_end_info": session_end})):
            described = hparams.create_summary_metadata(plugin_data_pb2.HParamsPluginData(**data))
            self._add(summary_pb2.Summary.Value(tag=tag, metadata=described), None, None, folder)
        for name, value in metric_dict.items():
            self._scalar(name, value, global_step, None, folder)

    def _refuse(self, name, reason):
        raise NotImplementedError(f"SummaryWriter.{name}: {reason}")

    def add_graph(self, model, input_to_model=None, verbose=False, use_strict_trace=True):
        """NotImplementedError: there is no traced graph to draw."""
        self._refuse("add_graph", "models are not traced into graphs; print(model), or profile it")

    def add_video(self, tag, vid_tensor, global_step=None, fps=4, walltime=None):
        """NotImplementedError: videos need an encoder."""
        self._refuse("add_video", "there is no encoder of videos; add_images shows the frames")

    def add_audio(self, tag, snd_tensor, global_step=None, sample_rate=44100, walltime=None):
        """NotImplementedError: sound."""
        self._refuse("add_audio", "there is no encoder of sound")

    def add_embedding(self, mat, metadata=None, label_img=None, global_step=None, tag="default", metadata_header=None):
        """NotImplementedError: the projector's files."""
        self._refuse("add_embedding", "the projector's files are not written; save the matrix and load it there")

    def add_pr_curve(self, tag, labels, predictions, global_step=None, num_thresholds=127, weights=None, walltime=None):
        """NotImplementedError: precision and recall."""
        self._refuse("add_pr_curve", "curves of precision and recall are not written; plot them and use add_figure")

    def add_mesh(self, tag, vertices, colors=None, faces=None, config_dict=None, global_step=None, walltime=None):
        """NotImplementedError: meshes."""
        self._refuse("add_mesh", "meshes are not written")

    def flush(self):
        """Write what is waiting."""
        for writer in self._writers.values():
            writer.flush()

    def close(self):
        """Write what is waiting and close the files; a later call opens new ones."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
