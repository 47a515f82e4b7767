"""Reading idx files, and downloads that break."""

import gzip
import http.server
import threading

import numpy as np
import pytest

from numbatorch.datasets import DatasetError, download, load_digits, load_folder, read_idx


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part, n in (("train", 30), ("t10k", 10)):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (n, 28, 28)).astype(np.uint8)))
        labels = gzip.compress(idx(rng.integers(0, 10, n).astype(np.uint8)))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(labels)
    return tmp_path


def test_packed_and_plain_files_are_read(folder):
    data = load_folder(folder)
    assert data.train_images.shape == (30, 28, 28) and data.test_labels.shape == (10,)


def test_a_missing_file_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DatasetError, match="t10k-labels-idx1-ubyte"):
        load_folder(folder)


@pytest.mark.parametrize("damage", [lambda b: b[:100], lambda b: b"\x01" + b[1:], lambda b: b + b"more", lambda b: b""])
def test_damaged_files_are_refused(folder, damage):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DatasetError, match="train-images"):
        read_idx(path)


def test_truncated_gzip_is_refused(folder):
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DatasetError, match="train-labels"):
        load_folder(folder)


def test_the_shipped_digits_are_whole():
    digits = load_digits()
    assert digits.images.shape == (1797, 8, 8) and digits.images.max() == 16
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


class Server:
    """A mirror on this machine that breaks off its first answer half way."""

    def __init__(self, content, breaks=1, resumes=True):
        self.content, self.breaks, self.resumes, self.requests = content, breaks, resumes, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                wanted = self.headers.get("Range")
                outer.requests.append(wanted)
                start = int(wanted[6:].split("-")[0]) if wanted and outer.resumes else 0
                body = outer.content[start:]
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(body)))
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(outer.content) - 1}/{len(outer.content)}")
                self.end_headers()
                if outer.breaks:
                    outer.breaks -= 1
                    self.wfile.write(body[:len(body) // 2])
                    self.wfile.flush()
                    self.connection.close()
                else:
                    self.wfile.write(body)

            def log_message(self, *args):
                """Quiet."""
        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("resumes", [True, False])
@pytest.mark.filterwarnings("ignore")
def test_a_broken_transfer_is_resumed_or_restarted(tmp_path, resumes):
    content = gzip.compress(np.random.default_rng(0).bytes(200_000))
    server = Server(content, breaks=1, resumes=resumes)
    try:
        download.fetch(server.url + "file.gz", tmp_path / "file.gz", lambda unpacked: len(unpacked) == 200_000)
    finally:
        server.close()
    assert (tmp_path / "file.gz").read_bytes() == content
    assert len(server.requests) == 2 and server.requests[1].startswith("bytes=")
    assert [p.name for p in tmp_path.iterdir()] == ["file.gz"]


@pytest.mark.filterwarnings("ignore")
def test_wrong_content_is_refused_and_nothing_stays(tmp_path):
    server = Server(gzip.compress(b"something else"), breaks=0)
    try:
        with pytest.raises(DatasetError, match="sha256"):
            download.fetch(server.url + "file.gz", tmp_path / "file.gz", lambda unpacked: False)
    finally:
        server.close()
    assert list(tmp_path.iterdir()) == []


def test_no_mirror_is_noticed_in_seconds(tmp_path):
    with pytest.raises(DatasetError, match="no mirror"):
        download.fetch_mnist(tmp_path, lambda text: None, ["http://127.0.0.1:9/"])
