"""Calls of ops whose operands their names do not tell. t(*shape): a tensor on a device; i(high, *shape): integers."""

import numbatorch as torch
from numbatorch.nn import functional as F


def _cell(t, gates):
    return t(2, 3), (t(2, 4), t(2, 4)) if gates == 4 else t(2, 4), t(gates * 4, 3), t(gates * 4, 4)


def _layer(function, gates):
    def call(t, i):
        weights = [t(gates * 4, 3), t(gates * 4, 4), t(gates * 4), t(gates * 4)]
        hidden = (t(1, 2, 4), t(1, 2, 4)) if gates == 4 else t(1, 2, 4)
        return function(t(5, 2, 3), hidden, weights, True, 1, 0.0, False, False, False)
    return call


def _positive(t, n=3):
    a = t(n, n)
    return a @ a.mT + torch.eye(n, device=a.device)


def _softmax_gradient(t):
    x = t(3, 5).requires_grad_()
    (torch.softmax(x, 1) * t(3, 5)).sum().backward()
    return x.grad


def _attend(t, i):
    return F.multi_head_attention_forward(
        t(5, 2, 4), t(5, 2, 4), t(5, 2, 4), 4, 2, t(12, 4), t(12), None, None, False, 0.0, t(4, 4), t(4))


CALLS = {
    "addbmm": lambda t, i: torch.addbmm(t(3, 5), t(2, 3, 4), t(2, 4, 5)),
    "addbmm_": lambda t, i: t(3, 5).addbmm_(t(2, 3, 4), t(2, 4, 5)),
    "addmv": lambda t, i: torch.addmv(t(3), t(3, 4), t(4)),
    "affine_grid": lambda t, i: F.affine_grid(t(1, 2, 3), (1, 1, 3, 4), align_corners=False),
    "baddbmm": lambda t, i: torch.baddbmm(t(2, 3, 5), t(2, 3, 4), t(2, 4, 5)),
    "batch_norm": lambda t, i: F.batch_norm(t(3, 4, 5), t(4), t(4), t(4), t(4), True),
    "bilinear": lambda t, i: F.bilinear(t(3, 4), t(3, 5), t(2, 4, 5), t(2)),
    "bincount": lambda t, i: torch.bincount(i(5, 20)),
    "bmm": lambda t, i: torch.bmm(t(2, 3, 4), t(2, 4, 5)),
    "cholesky": lambda t, i: torch.linalg.cholesky(_positive(t)),
    "cholesky_inverse": lambda t, i: torch.cholesky_inverse(torch.linalg.cholesky(_positive(t))),
    "cholesky_solve": lambda t, i: torch.cholesky_solve(t(3, 2), torch.linalg.cholesky(_positive(t))),
    "clamp": lambda t, i: torch.clamp(t(3, 4), 0.3, 0.6),
    "conv_input_gradient": lambda t, i: torch.nn.grad.conv2d_input((1, 2, 6, 6), t(3, 2, 3, 3), t(1, 3, 4, 4)),
    "conv_weight_gradient": lambda t, i: torch.nn.grad.conv2d_weight(t(1, 2, 6, 6), (3, 2, 3, 3), t(1, 3, 4, 4)),
    "conv_tbc": lambda t, i: torch.conv_tbc(t(5, 2, 3), t(2, 3, 4), t(4)),
    "convolution": lambda t, i: torch.convolution(t(1, 2, 6), t(4, 2, 3), None, [1], [0], [1], False, [0], 1),
    "cosine_embedding_loss": lambda t, i: F.cosine_embedding_loss(t(3, 4), t(3, 4), torch.ones_like(t(3))),
    "ctc_loss": lambda t, i: F.ctc_loss(t(6, 2, 4).log_softmax(2), i(3, 2, 3) + 1, (6, 5), (3, 2)),
    "diagonal_scatter": lambda t, i: torch.diagonal_scatter(t(3, 3), t(3)),
    "dsplit": lambda t, i: torch.dsplit(t(2, 3, 4), 2),
    "einsum": lambda t, i: torch.einsum("bij,bjk->bik", t(2, 3, 4), t(2, 4, 5)),
    "embedding_bag": lambda t, i: F.embedding_bag(i(4, 3, 2), t(4, 3)),
    "embedding_renorm_": lambda t, i: torch.embedding_renorm_(t(4, 3), i(4, 2), 0.5, 2.0),
    "fake_quantize_per_channel_affine": lambda t, i: torch.fake_quantize_per_channel_affine(
        t(3, 4), t(3), i(2, 3).int(), 0, 0, 255),
    "fake_quantize_per_tensor_affine": lambda t, i: torch.fake_quantize_per_tensor_affine(t(3, 4), 0.1, 1, 0, 255),
    "fold": lambda t, i: F.fold(t(1, 8, 9), (4, 4), (2, 2)),
    "grid_sample": lambda t, i: F.grid_sample(t(1, 2, 4, 4), t(1, 3, 3, 2), align_corners=False),
    "grid_sampler": lambda t, i: torch.grid_sampler(t(1, 2, 4, 4), t(1, 3, 3, 2), 0, 1, True),
    "grid_sampler_2d": lambda t, i: torch.grid_sampler_2d(t(1, 2, 4, 4), t(1, 3, 3, 2), 1, 0, True),
    "grid_sampler_3d": lambda t, i: torch.grid_sampler_3d(t(1, 2, 3, 4, 4), t(1, 2, 3, 3, 3), 0, 0, False),
    "gru": _layer(torch.gru, 3), "gru_cell": lambda t, i: torch.gru_cell(*_cell(t, 3)),
    "lstm": _layer(torch.lstm, 4), "lstm_cell": lambda t, i: torch.lstm_cell(*_cell(t, 4)),
    "rnn_relu": _layer(torch.rnn_relu, 1), "rnn_relu_cell": lambda t, i: torch.rnn_relu_cell(*_cell(t, 1)),
    "rnn_tanh": _layer(torch.rnn_tanh, 1), "rnn_tanh_cell": lambda t, i: torch.rnn_tanh_cell(*_cell(t, 1)),
    "hsplit": lambda t, i: torch.hsplit(t(2, 4), 2), "vsplit": lambda t, i: torch.vsplit(t(4, 2), 2),
    "imag": lambda t, i: torch.complex(t(3), t(3)).imag.clone(),
    "index_add_": lambda t, i: t(4, 3).index_add_(0, i(4, 5), t(5, 3)),
    "index_copy_": lambda t, i: t(4, 3).index_copy_(0, i(4, 1), t(1, 3)),
    "index_fill_": lambda t, i: t(4, 3).index_fill_(0, i(4, 2), 2.0),
    "index_reduce": lambda t, i: torch.index_reduce(t(4, 3), 0, i(4, 5), t(5, 3), "prod"),
    "instance_norm": lambda t, i: F.instance_norm(t(2, 3, 5)),
    "interpolate": lambda t, i: F.interpolate(t(1, 2, 4, 4), scale_factor=2, mode="bilinear"),
    "istft": lambda t, i: torch.istft(torch.stft(t(20), 8, window=torch.ones_like(t(8)), return_complex=True), 8,
                                      window=torch.ones_like(t(8))),
    "ldl_solve": lambda t, i: torch.linalg.ldl_solve(*torch.linalg.ldl_factor(_positive(t)), t(3, 2)),
    "linear_cross_entropy": lambda t, i: F.linear_cross_entropy(t(3, 4), t(5, 4), i(5, 3)),
    "local_response_norm": lambda t, i: F.local_response_norm(t(1, 4, 5), 2),
    "lu_solve": lambda t, i: torch.linalg.lu_solve(*torch.linalg.lu_factor(_positive(t)), t(3, 2)),
    "lu_unpack": lambda t, i: torch.lu_unpack(*torch.linalg.lu_factor(_positive(t))),
    "multi_head_attention_forward": _attend,
    "multi_margin_loss": lambda t, i: F.multi_margin_loss(t(3, 4), i(4, 3)),
    "multilabel_margin_loss": lambda t, i: F.multilabel_margin_loss(t(3, 4), i(4, 3, 4)),
    "mv": lambda t, i: torch.mv(t(3, 4), t(4)),
    "native_batch_norm": lambda t, i: torch.native_batch_norm(t(3, 4), t(4), t(4), t(4), t(4), True, 0.1, 1e-5),
    "native_group_norm": lambda t, i: torch.native_group_norm(t(2, 4, 5), t(4), t(4), 2, 4, 5, 2, 1e-5),
    "native_layer_norm": lambda t, i: torch.native_layer_norm(t(2, 4), (4,), t(4), t(4), 1e-5),
    "native_dropout_backward": lambda t, i: torch.ops.aten.native_dropout_backward(t(3, 4), t(3, 4) > 0.5, 2.0),
    "nll_loss": lambda t, i: F.nll_loss(t(3, 4), i(4, 3)),
    "nonzero_static": lambda t, i: torch.nonzero_static(i(2, 3, 4), size=6),
    "one_hot": lambda t, i: F.one_hot(i(4, 3), 4),
    "orgqr": lambda t, i: torch.orgqr(*torch.geqrf(t(4, 3))),
    "repeat_interleave": lambda t, i: torch.repeat_interleave(t(3, 2), i(3, 3), dim=0),
    "scaled_dot_product_attention": lambda t, i: F.scaled_dot_product_attention(
        t(1, 2, 5, 4), t(1, 2, 6, 4), t(1, 2, 6, 4)),
    "scatter": lambda t, i: torch.scatter(t(3, 4), 0, i(3, 2, 4), 1.5),
    "scatter_": lambda t, i: t(3, 4).scatter_(0, i(1, 1, 4), t(1, 4)),
    "scatter_add_": lambda t, i: t(3, 4).scatter_add_(0, i(3, 2, 4), t(2, 4)),
    "segment_reduce": lambda t, i: torch.segment_reduce(t(6, 2), "mean", lengths=torch.ones_like(i(3, 3)) * 2),
    "select": lambda t, i: torch.select(t(3, 4), 1, 2).clone(),
    "select_scatter": lambda t, i: torch.select_scatter(t(3, 4), t(3), 1, 2),
    "solve_triangular": lambda t, i: torch.linalg.solve_triangular(_positive(t).tril(), t(3, 2), upper=False),
    "split": lambda t, i: torch.split(t(5, 2), 2),
    "stft": lambda t, i: torch.stft(t(20), 8, window=torch.ones_like(t(8)), return_complex=True),
    "tensor_split": lambda t, i: torch.tensor_split(t(5, 2), 3),
    "unravel_index": lambda t, i: torch.unravel_index(i(12, 5), (3, 4)),
    "upsample_bilinear": lambda t, i: F.interpolate(t(1, 1, 3, 3), size=(5, 4), mode="bicubic"),
    "view_as_complex": lambda t, i: torch.view_as_complex(t(3, 2)).clone(),
    "view_as_real": lambda t, i: torch.view_as_real(torch.complex(t(3), t(3))).clone(),
    "upsample_nearest": lambda t, i: F.interpolate(t(1, 2, 3, 3), scale_factor=2, mode="nearest"),
    "values": lambda t, i: (t(3, 3) * i(2, 3, 3)).to_sparse_csr().values(),
    "crow_indices": lambda t, i: (t(3, 3) * i(2, 3, 3)).to_sparse_csr().crow_indices(),
    "coalesce": lambda t, i: torch.sparse_coo_tensor(i(3, 2, 6), t(6), (3, 3)).coalesce().to_dense(),
    "grouped_mm": lambda t, i: F.grouped_mm(t(2, 8, 8).bfloat16(), t(2, 8, 8).bfloat16()).float(),
    "affine_grid_generator": lambda t, i: torch.affine_grid_generator(t(1, 2, 3), (1, 1, 3, 4), True),
    "as_strided_copy": lambda t, i: torch.as_strided_copy(t(3, 4), (2, 2), (4, 1)),
    "diagonal_copy": lambda t, i: torch.diagonal_copy(t(3, 3)), "t_copy": lambda t, i: torch.t_copy(t(3, 4)),
    "expand_copy": lambda t, i: torch.expand_copy(t(3, 1), (3, 4)),
    "narrow_copy": lambda t, i: torch.narrow_copy(t(3, 4), 1, 1, 2),
    "permute_copy": lambda t, i: torch.permute_copy(t(3, 4), (1, 0)),
    "select_copy": lambda t, i: torch.select_copy(t(3, 4), 0, 1),
    "slice_copy": lambda t, i: torch.slice_copy(t(3, 4), 1, 1, 3),
    "split_copy": lambda t, i: torch.split_copy(t(3, 4), 2),
    "split_with_sizes_copy": lambda t, i: torch.split_with_sizes_copy(t(3, 4), (1, 2)),
    "squeeze_copy": lambda t, i: torch.squeeze_copy(t(3, 1)),
    "transpose_copy": lambda t, i: torch.transpose_copy(t(3, 4), 0, 1),
    "unbind_copy": lambda t, i: torch.unbind_copy(t(3, 4)),
    "unfold_copy": lambda t, i: torch.unfold_copy(t(3, 4), 1, 2, 1),
    "unsqueeze_copy": lambda t, i: torch.unsqueeze_copy(t(3, 4), 1),
    "view_copy": lambda t, i: torch.view_copy(t(3, 4), (4, 3)),
    "view_as_complex_copy": lambda t, i: torch.view_as_complex_copy(t(3, 2)),
    "view_as_real_copy": lambda t, i: torch.view_as_real_copy(torch.complex(t(3), t(3))),
    "softmax_gradient_rows": lambda t, i: _softmax_gradient(t),
    "smoothed_rows": lambda t, i: F.cross_entropy(t(3, 4), i(4, 3), label_smoothing=0.1),
    "weighted_logit_cross_entropy": lambda t, i: F.binary_cross_entropy_with_logits(
        t(3, 4), t(3, 4), pos_weight=t(4)),
}
