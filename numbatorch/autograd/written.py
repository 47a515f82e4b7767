"""What a rule does on every call, written out as source for its operands: hanging a node on the results, and the
backward step of formulas. The general forms (rules.py) do the same; these leave out every question whose answer
is known.
"""

from ..errors import NotOnHostError, NoValuesError
from ..layout import Layout
from . import node as tape
from .modes import mode, refuse_saved
from .node import edge, kind_of

FLOAT = 2  # categories of dtypes from here on have gradients


def _compile(name, lines, scope):
    source = "\n".join(lines) + "\n"
    exec(compile(source, f"<{name}>", "exec"), scope)
    return scope["written"]


def recorder(rule, plan, wanted):
    """record(*operands, *results): a node for a call of `plan` whose operands `wanted` need a gradient."""
    specs = list(plan.specs.values())
    count = len(plan.layouts)
    operands = [f"a{i}" for i in range(len(wanted))]
    results = [f"r{k}" for k in range(count)]
    lines = [f"def written({', '.join([*operands, *results])}):"]
    edges = ["None"] * len(wanted)
    for i in rule.positions:
        edges[i] = f"e{i}"
        lines += [f"    if a{i}._base is None:", f"        n = a{i}._node",
                  f"        e{i} = (a{i}, 0) if n is None else (n, a{i}._output_index)",
                  "    else:", f"        e{i} = edge(a{i})"]
    saved, versions, checks = [], [], []
    for source, i in rule.keep:
        if source == "result":
            saved.append(f"r{i}._kept()")
            versions.append(f"r{i}._storage.version")
        else:
            saved.append(f"a{i}")
            tensor = isinstance(specs[i], Layout)
            versions.append(f"v{i}" if tensor else "None")
            if tensor:
                checks += [f"    v{i} = a{i}._storage.version", f"    if v{i} < 0: refuse_saved(rule.name, a{i})"]
    lines += [*checks, "    node = new(Kind)", "    node.rule = rule; node.plan = plan",
              f"    node.edges = ({', '.join(edges)},)", f"    node.saved = ({''.join(s + ', ' for s in saved)})",
              f"    node.versions = ({''.join(v + ', ' for v in versions)})", "    node.sequence = sequence()",
              "    if watching.on: noticed(node)"]
    if count > 1:
        lines.append(f"    node.outputs = {count}")
    for k, layout_ in enumerate(plan.layouts):
        if layout_.dtype.category >= FLOAT:
            lines.append(f"    r{k}._needs_grad = True; r{k}._node = node")
            if k:
                lines.append(f"    r{k}._output_index = {k}")
    return _compile(f"record of {plan.op.name}", lines, {
        "new": object.__new__, "Kind": kind_of(rule.name), "rule": rule, "plan": plan, "edge": edge,
        "sequence": tape._sequence, "watching": tape.watching, "noticed": tape.noticed, "refuse_saved": refuse_saved})


def formula_step(rule, plan):
    """run(node, grads) of a FormulaRule that reads the gradient of the first result alone; None for others."""
    if rule.grad_names not in ([], ["grad"]) or any(rule.zero):
        return None
    scope = {"mode": mode, "general": rule.general_run, "call": rule.call}
    lines = ["def written(node, grads):", "    saved = node.saved",
             "    if mode.enabled or saved.__class__ is not tuple: return general(node, grads)", "    g = grads[0]"]
    if len(plan.layouts) > 1:
        lines.append("    if g is None: return general(node, grads)")
    specs = list(plan.specs.values())
    for k, (source, i) in enumerate(rule.keep):
        if source == "result" or isinstance(specs[i], Layout):
            lines.append(f"    if saved[{k}]._storage.version != node.versions[{k}]: return general(node, grads)")
    values = [f"saved[{k}]" for k in range(len(rule.keep))]
    if plan.op.kind == "reduction":
        scope["kept"] = rule._kept
        lines.append("    g = kept(g)")
        values = [f"kept({v})" if source == "result" else v for v, (source, _) in zip(values, rule.keep, strict=True)]
    named = dict(zip(rule.reads, values, strict=True), grad="g")
    together = rule.together is not None
    if together:
        scope["call"] = rule.together.call
        lines.append("    if g._layout.__class__ is not Layout: return general(node, grads)")
        scope["Layout"] = Layout
    arguments = [named[n] for n in (rule.together.names if together else rule.names)]
    if rule.length is not None:
        scope["length"] = rule.length
        arguments.append("length")
    if rule.call is not None and rule.kind == "rowwise":
        scope["dims"], scope["shape"] = rule.dims, rule.shape
        arguments += ["dims", "shape"]
    if rule.call is not None:
        sums = [f"t{k}" for k in rule.sums[0].which] if together else []
        names = ", ".join([*(f"v{rule.positions[k]}" for k in rule.own), *rule.shared, *sums])
        lines.append(f"    {names} = call({', '.join(arguments)})")
        named |= {name: name for name in rule.shared}
    out = ["None"] * rule.count
    done = set()
    for number, found in enumerate(rule.sums):
        scope |= {f"sums{number}": found.call, f"finish{number}": found.finish, f"dims{number}": found.dims,
                  f"sizes{number}": found.shape}
        arguments = [named[n] for n in found.names]
        if found.length is not None:
            scope[f"length{number}"] = found.length
            arguments.append(f"length{number}")
        arguments += [f"dims{number}", f"sizes{number}"]
        names = "".join(f"w{rule.positions[k]}, " for k in found.which)
        made = f"({''.join(f't{k}, ' for k in found.which)})" if together else f"sums{number}({', '.join(arguments)})"
        lines.append(f"    {names} = finish{number}({made})")
        for k in found.which:
            done.add(k)
            out[rule.positions[k]] = f"w{rule.positions[k]}"
    for k, (i, passed, spec) in enumerate(zip(rule.positions, rule.passed, rule.specs, strict=True)):
        if k in done:
            continue
        name = "g" if passed else f"v{i}"
        scope[f"layout{i}"], scope[f"shape{i}"], scope[f"dtype{i}"] = spec, spec.shape, spec.dtype
        lines += [f"    own = {name}._layout",
                  f"    w{i} = {name} if own is layout{i} or (own.shape == shape{i} and own.dtype is dtype{i}) else "
                  f"fit({name}, layout{i})"]
        out[i] = f"w{i}"
    lines.append(f"    return ({', '.join(out)},)")
    from .rules import fit
    scope["fit"] = fit
    return _compile(f"backward of {plan.op.name}", lines, scope)



def tensor_step(rule, op, statics):
    """run(node, grads) of a TensorRule; gradients of results that nobody used are left to its general form."""
    from .rules import linked
    scope = {"mode": mode, "general": rule.general_run, "linked": linked, "NotOnHostError": NotOnHostError,
             "NoValuesError": NoValuesError}
    lines = ["def written(node, grads):", "    saved = node.saved",
             "    if saved.__class__ is not tuple: return general(node, grads)"]
    text = {"grads": "grads"}
    read = {n for *_, reads in rule.rules for n in reads}
    for k, result in enumerate(op.outputs):
        names = {f"grad_{result}", "grad"} if k == 0 else {f"grad_{result}"}
        if names & read:
            text |= dict.fromkeys(names, f"g{k}")
            lines += [f"    g{k} = grads[{k}]", f"    if g{k} is None: return general(node, grads)"]
    for k, (name, (source, index)) in enumerate(zip(rule.reads, rule.keep, strict=True)):
        lines.append(f"    if node.versions[{k}] is not None and saved[{k}]._storage.version != node.versions[{k}]: "
                     "return general(node, grads)")
        text[name] = f"saved[{k}]"
        if source == "result":
            lines.append(f"    v{k} = linked(saved[{k}], node, {index}) if mode.enabled else saved[{k}]")
            text[name] = f"v{k}"
    lengths = getattr(rule, "lengths", (None,) * rule.count)  # of operands that are lists: so many gradients
    unknown = ["None" if n is None else f"*{(None,) * n}" for n in lengths]
    out = list(unknown)
    for position, _, function, reads in rule.rules:
        scope[f"gradient{position}"] = function
        for n in reads:
            if n not in text:
                scope[f"static_{n}"] = statics[n]
                text[n] = f"static_{n}"
        made = f"gradient{position}({', '.join(f'{n}={text[n]}' for n in reads)})"
        out[position] = made if lengths[position] is None else f"*({made} or {unknown[position][1:]})"
    lines += ["    try:", f"        return ({', '.join(out)},)",
              "    except (NotOnHostError, NoValuesError): return general(node, grads)"]
    return _compile(f"backward of {op.name}", lines, scope)
