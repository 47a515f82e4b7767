"""torch.hub: local repositories, and downloads that are checked."""

import functools
import hashlib
import http.server
import threading
import zipfile

import pytest

import numbatorch as torch
from numbatorch import hub


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "helpers.py").write_text("FACTOR = 3\n")
    (folder / "hubconf.py").write_text(
        "dependencies = ['torch', 'numpy']\n"
        "import numbatorch as torch\n"
        "def scaled(width, pretrained=False):\n"
        "    '''A layer, three times as wide.'''\n"
        "    from helpers import FACTOR\n"
        "    return torch.nn.Linear(width, width * FACTOR)\n"
        "def _private():\n"
        "    pass\n")
    return str(folder)


def test_local_repositories(repository):
    assert hub.list(repository) == ["scaled"]
    assert hub.help(repository, "scaled") == "A layer, three times as wide."
    assert hub.load(repository, "scaled", 2, source="local").out_features == 6
    with pytest.raises(RuntimeError, match=r"Cannot find callable other in hubconf; there are \['scaled'\]"):
        hub.load(repository, "other", source="local")
    with pytest.raises(FileNotFoundError, match="no hubconf.py"):
        hub.load("/nowhere/at/all", "scaled", source="local")
    with pytest.raises(ValueError, match="Unknown source"):
        hub.load(repository, "scaled", source="ftp")
    for call in (lambda: hub.load("owner/name", "model"), lambda: hub.list("owner/name"),
                 lambda: hub.help("owner/name:branch", "model")):
        with pytest.raises(NotImplementedError, match="source='local'"):
            call()


def test_missing_dependencies_are_named(repository):
    with open(f"{repository}/hubconf.py", "a") as file:
        file.write("dependencies = ['torch', 'no_such_module_here']\n")
    with pytest.raises(RuntimeError, match="Missing dependencies: no_such_module_here"):
        hub.list(repository)


def test_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "_folder", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert hub.get_dir() == str(tmp_path / "hub")
    hub.set_dir("/some/where")
    assert hub.get_dir() == "/some/where"


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        requests: list = []

        def log_message(self, *args):
            self.requests.append(self.path)
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{running.server_port}", Quiet.requests
    running.shutdown()
    running.server_close()
    thread.join()


def test_weights_from_the_network(server, tmp_path):
    folder, address, requests = server
    torch.save({"weight": torch.arange(3)}, folder / "plain.pth")
    digest = hashlib.sha256((folder / "plain.pth").read_bytes()).hexdigest()[:8]
    name = f"model-{digest}.pth"
    (folder / "plain.pth").rename(folder / name)
    requests.clear()
    for _ in range(2):
        found = hub.load_state_dict_from_url(f"{address}/{name}", str(tmp_path / "kept"), check_hash=True,
                                             progress=False)
        assert found["weight"].tolist() == [0, 1, 2]
    assert len(requests) == 1
    with zipfile.ZipFile(folder / "packed.zip", "w") as archive:
        archive.write(folder / name, "inner.pth")
    found = hub.load_state_dict_from_url(f"{address}/packed.zip", str(tmp_path / "kept"), progress=False)
    assert found["weight"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="does not end in a hash"):
        hub.load_state_dict_from_url(f"{address}/other.pth", str(tmp_path / "kept"), check_hash=True)


def test_wrong_content_leaves_no_file(server, tmp_path):
    folder, address, _ = server
    (folder / "data").write_bytes(b"content")
    with pytest.raises(RuntimeError, match="invalid hash value"):
        hub.download_url_to_file(f"{address}/data", str(tmp_path / "data"), "0000", progress=False)
    assert not [p for p in tmp_path.iterdir() if p.is_file()]
    hub.download_url_to_file(f"{address}/data", str(tmp_path / "data"), hashlib.sha256(b"content").hexdigest()[:6])
    assert (tmp_path / "data").read_bytes() == b"content"
