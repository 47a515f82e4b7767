"""Functions and modules whose forward and backward pass are recorded graphs: `cuda.make_graphed_callables`."""

from .recording import CUDAGraph, graph


def make_graphed_callables(callables, sample_args, num_warmup_iters=3, allow_unused_input=False, pool=None):
    """Functions or modules as two CUDA graphs each, the forward and the backward pass, on one node of the tape.

    sample_args: a tuple of tensors for each, of the shapes and with the `requires_grad` of all later calls; results are
    in the same memory after each call. A module keeps its class and gets another `forward`, for calls in the mode
    (training or not) that it is in now. Each runs `num_warmup_iters` times first. `pool` names memory that graphs may
    share; each keeps its own here. Gradients of gradients are not recorded.

    TypeError for arguments that are no tensors; RuntimeError for modules with hooks or with buffers that require
    gradients, for inputs without a gradient unless `allow_unused_input`, and under autocast that keeps its casts.
    """
    import numbatorch
    if numbatorch.is_autocast_enabled("cuda") and numbatorch.is_autocast_cache_enabled():
        raise RuntimeError("make_graphed_callables: autocast keeps casts of parameters, which a replay would not make "
                           "anew; record under autocast(..., cache_enabled=False)")
    single = not isinstance(callables, tuple)
    functions, samples = ((callables,), (sample_args,)) if single else (callables, sample_args)
    if len(functions) != len(samples):
        raise ValueError(f"make_graphed_callables: {len(functions)} callables and {len(samples)} sets of sample_args")
    graphed = [_Graphed(function, sample) for function, sample in zip(functions, samples, strict=True)]
    for own in graphed:
        own.warm_up(num_warmup_iters, allow_unused_input)
    for own in graphed:
        own.record_forward(pool)
    for own in reversed(graphed):
        own.record_backward(pool, allow_unused_input)
    results = tuple(own.callable() for own in graphed)
    return results[0] if single else results


class _Graphed:
    """A function or module with the memory that its graphs read and write."""

    def __init__(self, function, sample):
        import numbatorch
        from numbatorch.utils import _pytree
        self.function, self.tree = function, _pytree
        self.is_module = isinstance(function, numbatorch.nn.Module)
        self.sample, (self.arguments, self.form) = sample, _pytree.tree_flatten(tuple(sample))
        wrong = next((type(a).__name__ for a in self.arguments if not isinstance(a, numbatorch.Tensor)), None)
        if wrong is not None:
            raise TypeError(f"make_graphed_callables: sample_args must be tensors, but one is of type {wrong}")
        self.inputs = [*self.arguments, *(function.parameters() if self.is_module else ())]
        self.wanted = [t for t in self.inputs if t.requires_grad]
        if self.is_module:
            _check_module(function)

    def warm_up(self, times, allow_unused):
        """Compile the kernels and let all that is made once be made."""
        import numbatorch
        stream = numbatorch.cuda.Stream()
        stream.wait_stream(numbatorch.cuda.current_stream())
        with numbatorch.cuda.stream(stream):
            for _ in range(times):
                outputs = self.tree.tree_leaves(self.function(*self.sample))
                self._gradients(outputs, [numbatorch.empty_like(o) for o in outputs if o.requires_grad], allow_unused)
        numbatorch.cuda.current_stream().wait_stream(stream)

    def record_forward(self, pool):
        self.forward = CUDAGraph()
        with graph(self.forward, pool):
            self.outputs, self.result_form = self.tree.tree_flatten(self.function(*self.sample))

    def record_backward(self, pool, allow_unused):
        """The gradients of the results reach the graph in memory of their own."""
        import numbatorch
        self.given = [numbatorch.empty_like(o) if o.requires_grad else None for o in self.outputs]
        grads, self.backward = [], None
        if self.wanted and any(g is not None for g in self.given):
            self.backward = CUDAGraph()
            with graph(self.backward, pool):
                grads = self._gradients(self.outputs, [g for g in self.given if g is not None], allow_unused)
        found = iter(grads)
        self.gradients = [next(found, None) if t.requires_grad else None for t in self.inputs]
        self.outputs = [o.detach() for o in self.outputs]  # the tape of the recorded pass has served

    def _gradients(self, outputs, given, allow_unused):
        import numbatorch
        if not self.wanted or not given:
            return ()
        return numbatorch.autograd.grad([o for o in outputs if o.requires_grad], self.wanted, given,
                                        allow_unused=allow_unused)

    def callable(self):
        """The function that replays; of a module the module itself, with that as its `forward`."""
        import numbatorch
        own = self

        class Replay(numbatorch.autograd.Function):
            @staticmethod
            def forward(context, *inputs):
                _copy(own.inputs, inputs)
                own.forward.replay()
                return tuple(o.detach() for o in own.outputs)

            @staticmethod
            @numbatorch.autograd.function.once_differentiable
            def backward(context, *grads):
                if own.backward is None:
                    raise RuntimeError("a graphed callable was recorded with arguments none of which requires grad, so "
                                       "it has no backward pass")
                _copy(own.given, grads)
                own.backward.replay()
                return tuple(None if g is None else g.detach() for g in own.gradients)

        def replay(*arguments):
            flat, form = own.tree.tree_flatten(arguments)
            if form != own.form:
                raise TypeError(f"a graphed callable was recorded with arguments of the form {own.form}, not {form}")
            results = Replay.apply(*flat, *own.inputs[len(own.arguments):])
            return own.tree.tree_unflatten(list(results), own.result_form)
        if not self.is_module:
            return replay
        module, eager, training = self.function, self.function.forward, self.function.training

        def forward(*arguments, **keywords):
            return (replay if module.training == training else eager)(*arguments, **keywords)
        module.forward = forward
        return module


def _copy(places, tensors):
    """Put values where the graph reads them."""
    for place, tensor in zip(places, tensors, strict=True):
        if place is not None and tensor is not None and place.data_ptr() != tensor.data_ptr():
            if place.shape != tensor.shape:
                raise RuntimeError(f"a graphed callable was recorded with an operand of shape {tuple(place.shape)}, "
                                   f"not {tuple(tensor.shape)}")
            place.detach().copy_(tensor)


def _check_module(module):
    if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks:
        raise RuntimeError("make_graphed_callables: modules must not have hooks registered; register them afterwards")
    if any(b.requires_grad for b in module.buffers()):
        raise RuntimeError("make_graphed_callables: only parameters may require gradients, but a buffer of the module "
                           "does")
