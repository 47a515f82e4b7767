"""Tiles of products are compiled one by one, when a plan first needs them."""

import ctypes

import numpy as np
import pytest

from numbatorch.cpu import tiles
from numbatorch.cpu.gemm import gemm
from numbatorch.cpu.microkernel import AHEAD, SLOTS, host_target


@pytest.fixture
def loaded(monkeypatch):
    """The tiles that are asked for, as (rows, vectors); their addresses are made up."""
    found = []
    table = np.zeros((2, SLOTS), np.int64)
    monkeypatch.setattr(tiles, "_table", lambda *key: table)

    def load(target, rows, vectors, *rest):
        found.append((rows, vectors))
        return 1000 * vectors + rows

    monkeypatch.setattr(tiles, "_load", load)
    return found


def test_only_the_heights_and_widths_that_occur_are_compiled(loaded):
    target = host_target("float32")
    address = tiles.address(target, [30], 4, tiles.panels(3 * target.panel + 1, target.panel))
    assert sorted(loaded) == [(2, 1), (2, target.vectors), (4, 1), (4, target.vectors)]
    table = (ctypes.c_int64 * (2 * SLOTS)).from_address(address)
    assert table[4] == 1004 and table[SLOTS * (target.vectors - 1) + 2] == 1000 * target.vectors + 2
    tiles.address(target, [28], 4, tiles.panels(target.panel, target.panel))
    assert len(loaded) == 4


def test_runs_shorter_than_a_tile_need_a_tile_of_their_own_height(loaded):
    target = host_target("float32")
    tiles.address(target, [3, 12], 4, [target.panel])
    assert sorted(rows for rows, _ in loaded) == [3, 4]


def test_empty_products_need_none(loaded):
    tiles.address(host_target("float32"), [0], 1, tiles.panels(0, 32))
    assert loaded == []


def test_products_with_and_without_bias_share_their_tiles():
    gemm("float64").plan(10, 40, 5, 5, 40, 40)
    before = list(tiles._routines)
    gemm("float64").plan(10, 40, 5, 5, 40, 40, bias=True)
    assert list(tiles._routines) == before
    assert np.count_nonzero(tiles._table(host_target("float64"), AHEAD, False)) > 0


def test_a_routine_is_compiled_once():
    target = host_target("float32")
    assert tiles.transpose(target) == tiles.transpose(target) != tiles.transpose(host_target("float64"))
