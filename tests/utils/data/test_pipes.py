"""The standard steps of data pipes, and what a DataLoader does with them. Orders are PyTorch's for the same seeds."""

import functools
import pickle
import wave

import numpy as np
import pytest

import numbatorch as torch
from numbatorch.utils import data
from numbatorch.utils.data import graph_settings
from numbatorch.utils.data.datapipes import iter as pipes, map as maps
from numbatorch.utils.data.datapipes.iter.sharding import SHARDING_PRIORITIES
from numbatorch.utils.data.datapipes.utils import common, decoder
from numbatorch.utils.data.graph import traverse_dps

wrap, sequence = pipes.IterableWrapper, maps.SequenceWrapper


def test_map():
    def minus(x):
        return -x

    def add(x, y):
        return x + y
    assert list(wrap([1, 2]).map(minus)) == [-1, -2] and len(wrap([1, 2]).map(minus)) == 2
    for kind in (tuple, list):
        rows = wrap([kind((1, 2, 5))])
        assert list(rows.map(minus, 0)) == [kind((-1, 2, 5))] and list(rows.map(minus, 0, 1)) == [kind((1, -1, 5))]
        assert list(rows.map(add, [0, 1])) == [kind((3, 5))] == list(rows.map(add, [1, 0]))
        assert list(rows.map(add, [0, 1], -1)) == [kind((1, 2, 5, 3))] and list(rows.map(minus, 0, [1]))[0][1] == -1
    assert list(wrap([{"a": 1, "b": 2}]).map(add, ["a", "b"])) == [{"a": 3}]
    for arguments, message in (((minus, None, 1), "must be None"), ((minus, 0, [1, 2]), "single-element"),
                               ((lambda: 1,), "takes 0 parameters"), ((add, 0), "takes 2 positional parameters"),
                               ((lambda x, *, y: x,), "keyword-only")):
        with pytest.raises(ValueError, match=message):
            wrap([1]).map(*arguments)


def test_filter_and_collate():
    assert list(wrap(range(4)).filter(lambda x: x % 2 == 0)) == [0, 2]
    assert list(wrap([(1, 2), (2, 3)]).filter(lambda x: x > 1, input_col=0)) == [(2, 3)]
    with pytest.raises(ValueError, match="Boolean output is required"):
        list(wrap([1]).filter(lambda x: 3))
    assert [t.tolist() for t in wrap([[1, 2], [3, 4]]).collate()] == [[1, 2], [3, 4]]
    assert list(wrap([[1, 2]]).collate(sum)) == [3] == list(wrap([[1, 2]]).collate(collate_fn=sum))
    found = list(wrap([[{"a": 1, "b": 2}, {"a": 3, "b": 4}]]).collate({"a": list}))[0]
    assert found["a"] == [1, 3] and found["b"].tolist() == [2, 4]


def test_batches():
    pipe = wrap(range(5)).batch(2)
    assert list(pipe) == [[0, 1], [2, 3], [4]] and len(pipe) == 3 and isinstance(next(iter(pipe)), data.DataChunk)
    assert list(wrap(range(5)).batch(2, drop_last=True)) == [[0, 1], [2, 3]]
    nested = wrap([[[1, 2]], [[3]]])
    assert list(nested.unbatch()) == [[1, 2], [3]] and list(nested.unbatch(2)) == [1, 2, 3] == list(nested.unbatch(-1))
    with pytest.raises(IndexError, match="exceeds the depth"):
        list(nested.unbatch(3))
    with pytest.raises(ValueError, match="-1 or >= 0"):
        list(nested.unbatch(-2))
    with pytest.raises(AssertionError, match="larger than 0"):
        wrap([1]).batch(0)


def test_groups():
    names = ["a.1", "b.1", "a.2", "b.2", "a.3"]

    def grouped(**options):
        return list(wrap(names).groupby(lambda s: s[0], **options))
    assert grouped() == [["a.1", "a.2", "a.3"], ["b.1", "b.2"]]
    assert grouped(group_size=2) == [["a.1", "a.2"], ["b.1", "b.2"], ["a.3"]]
    assert grouped(keep_key=True, buffer_size=3, group_size=3, guaranteed_group_size=2) == [
        ("a", ["a.1", "a.2"]), ("b", ["b.1", "b.2"]), ("a", ["a.3"])]
    assert grouped(buffer_size=3, group_size=3, drop_remaining=True) == [["a.3"]]
    with pytest.raises(RuntimeError, match="Failed to group items"):
        grouped(buffer_size=3, group_size=3)
    for options in ({"group_size": 0}, {"buffer_size": 3, "group_size": 4}, {"guaranteed_group_size": 1}):
        with pytest.raises(AssertionError, match="group_size must be > 0"):
            grouped(**options)


def test_streams_are_joined():
    short, long = wrap([1, 2]), wrap([3, 4, 5])
    assert list(short.zip(long)) == [(1, 3), (2, 4)] and len(short.zip(long)) == 2
    assert list(short.mux(long, wrap([7]))) == [1, 3, 7] and len(short.mux(long)) == 4
    assert list(short.concat(long)) == [1, 2, 3, 4, 5] and len(short.concat(long)) == 5
    with pytest.raises(ValueError, match="at least one"):
        pipes.Concater()
    for join in (short.concat, short.zip):
        with pytest.raises(TypeError, match="IterDataPipe"):
            join([2])


def test_forks():
    a, b = wrap(range(5)).fork(2)
    x, y = iter(a), iter(b)
    assert [next(x), next(y), next(y), next(x)] == [0, 0, 1, 1] and list(x) == list(y) == [2, 3, 4]
    assert list(a) == list(b) == [0, 1, 2, 3, 4] and len(a) == 5
    x, y = iter(a), iter(b)
    next(x), next(y)
    with pytest.warns(UserWarning, match="not exhausted"):
        assert list(a) == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="has been invalidated"):
        next(y)
    c, _ = wrap(range(5)).fork(2, buffer_size=2)
    with pytest.raises(BufferError, match="buffer size 2 is insufficient"):
        list(c)
    d, e = wrap([[1]]).fork(2, copy="deep")
    next(iter(d)).append(2)
    assert list(e) == [[1]]
    source = wrap([1])
    assert source.fork(1) is source
    with pytest.warns(UserWarning, match="Unlimited buffer"):
        wrap([1]).fork(2, buffer_size=-1)
    for arguments, message in (((0,), "larger than 0"), ((2, 10, "other"), "Unknown copy method")):
        with pytest.raises(ValueError, match=message):
            wrap([1]).fork(*arguments)
    with pytest.warns(UserWarning, match="not exhausted"):
        next(iter(a))
    assert list(pickle.loads(pickle.dumps(a))) == [0, 1, 2, 3, 4]


def test_parts():
    even, odd = wrap(range(5)).demux(2, lambda x: x % 2)
    assert list(even) == [0, 2, 4] and list(odd) == [1, 3] and list(even) == [0, 2, 4]
    kept, _ = wrap(range(5)).demux(2, lambda x: None if x == 2 else x % 2, drop_none=True)
    assert list(kept) == [0, 4]
    wrong, _ = wrap(range(5)).demux(2, lambda x: x)
    with pytest.raises(ValueError, match="between 0 and 1. 2 is returned"):
        list(wrong)
    full, _ = wrap(range(5)).demux(2, lambda x: 1, buffer_size=2)
    with pytest.raises(BufferError, match="Demultiplexer"):
        list(full)
    with pytest.raises(TypeError, match="lengths"):
        len(even)


def test_shuffling():
    torch.manual_seed(0)
    pipe = wrap(range(10)).shuffle(buffer_size=4)
    assert list(pipe) == [1, 2, 0, 6, 5, 7, 3, 9, 8, 4] and list(pipe) == [1, 4, 3, 2, 6, 7, 8, 0, 9, 5]
    assert list(pipe.set_seed(1)) == [1, 0, 2, 5, 3, 8, 9, 6, 4, 7] and list(pipe.set_shuffle(False)) == list(range(10))
    assert sorted(wrap([[1, 2], [3]]).shuffle(unbatch_level=1)) == [1, 2, 3] and len(pipe) == 10
    torch.manual_seed(0)
    pipe = sequence(range(6)).shuffle()
    assert list(pipe) == [4, 5, 3, 0, 2, 1] and list(pipe.set_seed(1)) == [2, 3, 5, 0, 4, 1] and len(pipe) == 6
    assert list(pipe.set_shuffle(False)) == list(range(6))
    assert list(sequence({"a": 1, "b": 2}).shuffle(indices=["a", "b"]).set_seed(0)) == [1, 2]
    with pytest.raises(AssertionError, match="buffer_size"):
        wrap([1]).shuffle(buffer_size=0)
    sampled = pipes.Sampler(wrap(range(3)), data.RandomSampler, sampler_kwargs={"num_samples": 2})
    assert len(sampled) == 2 == len(list(sampled))


def test_shares():
    pipe = wrap(range(10)).sharding_filter()
    pipe.apply_sharding(3, 1)
    assert list(pipe) == [1, 4, 7] and len(pipe) == 3
    with pytest.raises(ValueError, match="should be smaller"):
        pipe.apply_sharding(3, 3)
    with pytest.raises(RuntimeError, match="cannot mix"):
        pipe.apply_sharding(2, 0, SHARDING_PRIORITIES.MULTIPROCESSING)
    pipe = wrap(range(20)).sharding_filter()
    pipe.apply_sharding(2, 1, SHARDING_PRIORITIES.DISTRIBUTED)
    pipe.apply_sharding(3, 1, SHARDING_PRIORITIES.MULTIPROCESSING)
    assert list(pipe) == [4, 10, 16]
    with pytest.raises(RuntimeError, match="Sharding twice"):
        graph_settings.apply_sharding(wrap([1]).sharding_filter().shuffle().sharding_filter(), 2, 0)
    a, b = wrap(range(6)).sharding_filter().fork(2)
    both = graph_settings.apply_sharding(a.zip(b), 2, 0)
    assert list(both) == [(0, 0), (2, 2), (4, 4)]


def test_graphs():
    source = wrap([1])
    inner = source.map(functools.partial(int))
    pipe = inner.zip(source.batch(2))
    graph = traverse_dps(pipe)
    assert graph[id(pipe)][1][id(inner)][1][id(source)] == (source, {})
    assert len(graph_settings.get_all_graph_pipes(graph)) == 4
    with pytest.raises(RuntimeError, match="Expected `IterDataPipe`"):
        traverse_dps([1])


def test_samples_by_index():
    assert [*sequence(range(3)).map(str)] == ["0", "1", "2"] and list(sequence([1]).map()) == [1]
    pair = sequence([1, 2]).zip(sequence([3, 4, 5]))
    assert pair[1] == (2, 4) and len(pair) == 2
    joined = sequence([1, 2]).concat(sequence([3]))
    assert joined[2] == 3 and len(joined) == 3
    batches = sequence(range(5)).batch(2)
    assert list(batches) == [[0, 1], [2, 3], [4]] and len(batches) == 3 and batches[2] == [4]
    assert len(sequence(range(5)).batch(2, drop_last=True)) == 2
    for look in (lambda: pair[2], lambda: joined[3], lambda: batches[3]):
        with pytest.raises(IndexError, match="out of"):
            look()
    for make in (maps.Concater, maps.Zipper):
        with pytest.raises(ValueError, match="at least one"):
            make()
        with pytest.raises(TypeError, match="MapDataPipe"):
            make(sequence([1]), [1])
    loader = data.DataLoader(sequence(range(6)).map(lambda x: x * 2), batch_size=3)
    assert [b.tolist() for b in loader] == [[0, 2, 4], [6, 8, 10]]


def loaded(workers, **options):
    torch.manual_seed(5)
    loader = data.DataLoader(wrap(range(12)).shuffle().sharding_filter(), batch_size=2, num_workers=workers, **options)
    return [[b.tolist() for b in loader] for _ in range(2)]


def test_loaders_shuffle_pipes():
    assert loaded(0) == loaded(0, shuffle=True) == [
        [[1, 5], [2, 10], [8, 7], [0, 6], [11, 9], [3, 4]], [[6, 4], [0, 8], [10, 7], [11, 3], [9, 1], [5, 2]]]
    assert loaded(0, shuffle=False)[0] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    with pytest.warns(UserWarning, match="does not contain a `Shuffler`"):
        loader = data.DataLoader(wrap(range(6)), shuffle=True)
    assert sorted(int(b) for b in loader) == list(range(6))


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_share_the_order_and_divide_the_samples(persistent):
    assert loaded(2, persistent_workers=persistent) == [
        [[1, 2], [5, 10], [8, 0], [7, 6], [11, 3], [9, 4]], [[5, 9], [10, 1], [0, 11], [6, 3], [4, 7], [2, 8]]]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_of_pipes_goes_on(workers):
    def make():
        return data.DataLoader(wrap(range(12)).shuffle().sharding_filter(), batch_size=2, num_workers=workers)
    torch.manual_seed(7)
    loader = make()
    batches = iter(loader)
    head = [next(batches).tolist() for _ in range(2)]
    state = loader.state_dict()
    rest = [b.tolist() for b in batches]
    other = make()
    other.load_state_dict(state)
    torch.manual_seed(1)
    assert [b.tolist() for b in other] == rest and len(head) + len(rest) == 6


def test_files(tmp_path):
    (tmp_path / "s").mkdir()
    for name, content in (("a.txt", "A"), ("b.json", "[1]"), ("s/c.txt", "C")):
        (tmp_path / name).write_text(content)
    root = str(tmp_path)

    def short(pairs):
        return [(p.removeprefix(root), v) for p, v in pairs]
    assert [p.removeprefix(root) for p in pipes.FileLister(root, "*.txt", recursive=True)] == ["/a.txt", "/s/c.txt"]
    listed = wrap([root]).list_files(masks=["*.txt", "*.json"])
    assert short((p, f.read()) for p, f in listed.open_files()) == [("/a.txt", "A"), ("/b.json", "[1]")]
    binary = listed.open_files("rb")
    assert short(binary.read_from_stream(2)) == [("/a.txt", b"A"), ("/b.json", b"[1"), ("/b.json", b"]")]
    assert short(listed.open_files("b").routed_decode()) == [("/a.txt", "A"), ("/b.json", [1])]
    decoding = listed.open_files("b").routed_decode()
    decoding.add_handler(decoder.handle_extension("txt", len))
    assert short(decoding)[0] == ("/a.txt", 1)
    assert len(pipes.FileLister(root, length=3)) == 3
    with pytest.raises(TypeError, match="valid length"):
        len(pipes.FileLister(root))
    with pytest.raises(ValueError, match="Invalid mode"):
        pipes.FileOpener([], mode="w")
    with pytest.warns(UserWarning, match="was not listed"), pytest.raises(FileNotFoundError):
        list(pipes.FileLister(str(tmp_path / "none")))


def test_streams_close_themselves(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    stream = common.StreamWrapper(open(path, "rb"), name="a")
    stream.autoclose()
    assert stream.read() == b"abc" and not stream.closed and stream.read() == b"" and stream.closed
    held = {"x": [common.StreamWrapper(open(path, "rb"))]}
    common.StreamWrapper.close_streams(held)
    assert held["x"][0].closed and "StreamWrapper" in repr(stream)


def test_decoders(tmp_path):
    from PIL import Image
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    content = (tmp_path / "p.png").read_bytes()
    for kind, shape in (("torch", (3, 2, 4)), ("torchl8", (1, 2, 4)), ("rgb8", (2, 4, 3)), ("l", (2, 4))):
        assert tuple(decoder.imagehandler(kind)("png", content).shape) == shape
    assert decoder.imagehandler("rgb8")("png", content).tolist() == pixels.tolist()
    assert decoder.imagehandler("pil")("png", content).size == (4, 2) and decoder.imagehandler("l")("txt", b"") is None
    with pytest.raises(AssertionError, match="unknown image specification"):
        decoder.imagehandler("bgr")
    with wave.open(str(tmp_path / "s.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.array([[0, 1], [2**14, -2**15]], "<i2").tobytes())
    samples, rate = decoder.audiohandler("wav", (tmp_path / "s.wav").read_bytes())
    assert rate == 8000 and samples.tolist() == [[0, 0.5], [1 / 2**15, -1]]
    for handler, extension in ((decoder.audiohandler, "mp3"), (decoder.videohandler, "mp4"),
                               (decoder.mathandler(), "mat")):
        with pytest.raises(NotImplementedError, match="handler"):
            handler(extension, b"")
    assert decoder.basichandlers("cls", b"3") == 3 and decoder.basichandlers("cls", b"x") is None


def test_what_is_wrapped():
    with pytest.warns(UserWarning, match="can not be deepcopied"):
        assert list(wrap(x for x in [1, 2])) == [1, 2]
    rows = [[1]]
    next(iter(wrap(rows))).append(2)
    next(iter(wrap(rows, deepcopy=False))).append(3)
    assert rows == [[1, 3]] and len(wrap(rows)) == 1
    assert list(pickle.loads(pickle.dumps(wrap(range(4)).batch(2).unbatch()))) == [0, 1, 2, 3]
    assert sorted(pickle.loads(pickle.dumps(wrap(range(4)).shuffle()))) == [0, 1, 2, 3]


def test_determinism():
    @data.non_deterministic
    class Any(data.IterDataPipe):
        def __iter__(self):
            yield 1
    with data.guaranteed_datapipes_determinism():
        assert sorted(wrap(range(3)).shuffle()) == [0, 1, 2]
        with pytest.raises(TypeError, match="guaranteed_datapipes_determinism"):
            Any()
