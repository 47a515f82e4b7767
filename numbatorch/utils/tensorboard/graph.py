"""A model as TensorBoard's graph: what ran in one forward pass, inside the modules that ran it."""

import contextlib

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.step_stats_pb2 import DeviceStepStats, StepStats
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef

from numbatorch import Tensor, interception, no_grad


class _Recorder:
    """Nodes of a forward pass. `names` says by which node a tensor was made; `alive` keeps the tensors meanwhile."""

    def __init__(self, model):
        self.nodes, self.names, self.alive, self.used = [], {}, [], {}
        self.scopes = [type(model).__name__]
        self.paths = {model: self.scopes[0]}
        for module in model.modules():
            for label, child in module.named_children():
                self.paths.setdefault(child, f"{self.paths[module]}/{type(child).__name__}[{label}]")

    def add(self, scope, name, kind, inputs, results, note=""):
        """A node that made tensors."""
        self.used[scope, name] = count = self.used.get((scope, name), 0) + 1
        full = f"{scope}/{name}" if count == 1 else f"{scope}/{name}_{count}"
        attributes = {"attr": AttrValue(s=note.encode())}
        shapes = [TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in t.shape]) for t in results]
        if shapes:
            attributes["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=shapes))
        self.nodes.append(NodeDef(name=full, op=kind, input=list(dict.fromkeys(inputs)), attr=attributes))
        for t in results:
            self.names[id(t)] = full
            self.alive.append(t)
        return full

    def name(self, tensor):
        """The node that made a tensor; for one from outside a constant."""
        if id(tensor) not in self.names:
            self.add(self.scopes[-1], "constant", "prim::Constant", (), [tensor])
        return self.names[id(tensor)]

    def __call__(self, op, inplace, values):
        inputs = [self.name(t) for t in interception.tensors_of(values)]
        result = interception.call(op, inplace, values)
        made = list(interception.tensors_of((result,)))
        note = ", ".join(f"{p.name}={v!r}" for p, v in zip(op.parameters, values, strict=True)
                         if isinstance(v, (bool, int, float, str)))
        self.add(self.scopes[-1], op.name.strip("_"), f"aten::{op.name.strip('_')}{'_' * inplace}", inputs, made, note)
        return result

    def enter(self, module, _):
        self.scopes.append(self.paths.get(module, f"{self.scopes[-1]}/{type(module).__name__}"))

    def leave(self, module, *_):
        self.scopes.pop()


def graph(model, args, verbose=False):
    """(GraphDef, RunMetadata) of model(*args), which runs once, in evaluation mode and unrecorded.

    Calls of ops are nodes, in the scope of the module that made them; so are parameters, buffers, inputs, outputs.
    """
    args = args if isinstance(args, tuple) else (args,)
    recorder = _Recorder(model)
    for k, t in enumerate(interception.tensors_of(args)):
        recorder.add("input", f"input.{k + 1}", "IO Node", (), [t])
    for module, path in recorder.paths.items():
        for label, t in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if id(t) not in recorder.names:
                recorder.add(path, label, "prim::GetAttr", (), [t])
    modes = [(m, m.training) for m in model.modules()]
    with contextlib.ExitStack() as stack:
        for module in recorder.paths:
            stack.callback(module.register_forward_pre_hook(recorder.enter).remove)
            stack.callback(module.register_forward_hook(recorder.leave, always_call=True).remove)
        model.eval()
        stack.callback(lambda: [setattr(m, "training", training) for m, training in modes])
        stack.enter_context(no_grad())
        stack.enter_context(interception.mode(recorder))
        results = model(*args)
    for k, t in enumerate(_tensors(results)):
        recorder.add("output", f"output.{k + 1}", "IO Node", [recorder.name(t)], [])
        recorder.nodes[-1].attr["_output_shapes"].list.shape.add(dim=[TensorShapeProto.Dim(size=n) for n in t.shape])
    made = GraphDef(node=recorder.nodes, versions=VersionDef(producer=22))
    if verbose:
        print(made)
    return made, RunMetadata(step_stats=StepStats(dev_stats=[DeviceStepStats(device="/device:CPU:0")]))


def _tensors(value):
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from _tensors(v)
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from _tensors(v)
