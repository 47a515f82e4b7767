"""The files that TensorBoard's projector reads: points, what they are called, and a picture of each."""

import os

import numpy as np
from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo

from . import media


def write(log_dir, folder, name, points, metadata=None, header=None, pictures=None):
    """Write points (N, D) into <log_dir>/<folder>, and name the files in the projector's settings.

    metadata: N labels, or N rows of columns named in `header`. pictures: (N, C, H, W), H = W.
    AssertionError, as in PyTorch, for numbers of labels or pictures that are not N.
    """
    path = os.path.join(log_dir, folder)
    os.makedirs(path, exist_ok=True)
    points = media.array(points)
    if points.ndim != 2:
        raise AssertionError(f"add_embedding: mat should be 2D, (N, D), got {points.shape}")
    info = EmbeddingInfo(tensor_name=name, tensor_path=f"{folder}/tensors.tsv")
    if metadata is not None:
        if len(metadata) != len(points):
            raise AssertionError(f"add_embedding: #labels should equal with #data points, got {len(metadata)} labels "
                                 f"for {len(points)} points")
        rows = [[str(v) for v in row] for row in metadata] if header else [[str(row)] for row in metadata]
        if header:
            if any(len(row) != len(header) for row in rows):
                raise AssertionError(f"add_embedding: each row of metadata should have {len(header)} columns, as the "
                                     "header has")
            rows.insert(0, [str(v) for v in header])
        _write(os.path.join(path, "metadata.tsv"), rows)
        info.metadata_path = f"{folder}/metadata.tsv"
    if pictures is not None:
        pictures = media.array(pictures)
        if len(pictures) != len(points):
            raise AssertionError(f"add_embedding: #images should equal with #data points, got {len(pictures)} for "
                                 f"{len(points)} points")
        height, width = pictures.shape[2:]
        if height != width:
            raise ValueError(f"add_embedding: pictures should be square, got {height} x {width}")
        columns = int(np.ceil(len(pictures) ** 0.5))
        tiles = media.tiled(media.to_bytes(pictures).transpose(0, 2, 3, 1), columns)
        black = np.zeros((columns * height, *tiles.shape[1:]), np.uint8)  # the projector wants a square
        black[:len(tiles)] = tiles
        with open(os.path.join(path, "sprite.png"), "wb") as file:
            file.write(media.png(black))
        info.sprite.image_path = f"{folder}/sprite.png"
        info.sprite.single_image_dim.extend([width, height])
    _write(os.path.join(path, "tensors.tsv"), points.tolist())
    return info


def _write(path, rows):
    with open(path, "w", encoding="utf8") as file:
        for row in rows:
            file.write("\t".join(str(v) for v in row) + "\n")
