"""Recurrent layers in one launch: the same bits from any number of threads, from many callers, and after a fork."""

import os
import threading

import numpy as np
import pytest

import numbatorch as nt


def run(kind, batch, length, width, **options):
    """Result and gradients of a layer with seeded parameters."""
    nt.manual_seed(0)
    layer = getattr(nt.nn, kind)(width, width, batch_first=True, **options)
    x = nt.randn(batch, length, width, requires_grad=True)
    out = layer(x)[0]
    (out * out).sum().backward()
    return [out.detach().numpy(), *(p.grad.numpy() for p in (x, *layer.parameters()))]


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(("batch", "width", "options"), [(70, 140, {}), (9, 270, {"bidirectional": True})])
def test_bits_do_not_depend_on_the_number_of_threads(kind, batch, width, options, set_threads):
    set_threads(1)
    expected = run(kind, batch, 4, width, **options)
    for threads in (2, 4, 9):  # more than walk at once, too
        set_threads(threads)
        for got, wanted in zip(run(kind, batch, 4, width, **options), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_packed_sequences_on_several_threads(set_threads):
    """Steps of fewer and fewer sequences."""
    def packed(threads):
        set_threads(threads)
        nt.manual_seed(0)
        layer = nt.nn.LSTM(150, 150)
        data = nt.randn(60, 6, 150)
        given = nt.nn.utils.rnn.pack_padded_sequence(data, [6] * 20 + [3] * 30 + [1] * 10, batch_first=True)
        out, (hidden, memory) = layer(given)
        return [x.detach().numpy() for x in (out.data, hidden, memory)]

    for got, wanted in zip(packed(3), packed(1), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_many_callers_at_once(set_threads):
    set_threads(2)
    nt.manual_seed(0)
    layer, x = nt.nn.LSTM(210, 210), nt.randn(5, 20, 210)
    with nt.no_grad():
        expected = layer(x)[0].numpy()
    seen, failed = [], []

    def call():
        try:
            for _ in range(5):
                with nt.no_grad():
                    seen.append(layer(x)[0].numpy())
        except Exception as error:
            failed.append(error)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not failed and len(seen) == 20
    for got in seen:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_child_walks(set_threads):
    set_threads(2)
    nt.manual_seed(0)
    layer, x = nt.nn.GRU(210, 210), nt.randn(5, 20, 210)
    with nt.no_grad():
        expected = layer(x)[0].numpy()
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(layer(x)[0].numpy(), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
