"""LLVM's NVPTX back end: the IR of a kernel to PTX text. Needs llvmlite alone, no CUDA toolkit and no GPU.

Architectures are named as CUDA names them: "sm_80", "sm_90a". The text is PTX 8.0, which every driver since CUDA 12.0
takes: a driver refuses versions newer than its own.
"""

import re

import llvmlite.binding as llvm

from ..lowering.locking import lock
from .compile import BLOCK, NoCodeError

TRIPLE = "nvptx64-nvidia-cuda"
PTX_VERSION = "ptx80"  # what every driver since CUDA 12.0 takes

# What LLVM can only turn into a call of the C library; asked to lower one, the back end ends the process.
_UNKNOWN = re.compile(r"llvm\.(acos|asin|atan|atan2|cosh|cos|exp|exp10|exp2|ldexp|log|log10|log2|pow|powi|sin|sincos|"
                      r"sinh|tan|tanh)\.f")
_ENVIRONMENT = re.compile(r'^@"?_ZN08NumbaEnv.*$', re.M)  # Numba's handle for exceptions, which kernels do not raise


def machine(architecture):
    """LLVM's target machine for PTX of an architecture."""
    with lock:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(TRIPLE)
    return target.create_target_machine(cpu=architecture, features=f"+{PTX_VERSION}", opt=3)


def ptx(text, native, name, kinds, architecture, block=BLOCK, more=()):
    """PTX of the kernel `name` that calls the function `native` of an IR text; `more` texts define what that declares.

    kinds: LLVM types of its parameters, "ptr align 16" for a pointer that is a multiple of 16; block: threads a block
    at most, which tells how many registers one may have.
    NoCodeError, naming them, for functions that have no code on the device: LLVM would end the process.
    """
    with lock:
        target = machine(architecture)
        layout = str(target.target_data)
        module = _parsed(text, layout)
        for other in more:
            module.link_in(_parsed(other, layout))
        module.link_in(llvm.parse_assembly(_entry(native, name, kinds, block, layout)))
        for item in module.functions:
            if not item.is_declaration and item.name != name:
                item.linkage = "internal"
            if not item.is_declaration or item.name.startswith(("llvm.nvvm.bar", "llvm.nvvm.shfl")):
                item.add_function_attribute("convergent")  # else barriers are copied into the branches before them
        module.verify()
        _refuse(name, [f.name for f in module.functions if f.is_declaration and _UNKNOWN.match(f.name)])
        passes = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(3))
        passes.getModulePassManager().run(module, passes)
        outside = [f.name for f in module.functions if f.is_declaration]
        _refuse(name, [f for f in outside if not f.startswith("llvm.") or _UNKNOWN.match(f)])
        return target.emit_assembly(module)


def _parsed(text, layout):
    """The module of an IR text for this target; what several texts define is kept once."""
    module = llvm.parse_assembly(_ENVIRONMENT.sub("", text))
    module.triple, module.data_layout = TRIPLE, layout
    for item in module.functions:
        if not item.is_declaration:
            item.linkage = "linkonce_odr"
    return module


def _refuse(name, functions):
    if functions:
        raise NoCodeError(f"kernel {name}: no code for the GPU in {', '.join(sorted(functions))}")


def _entry(native, name, kinds, block, layout):
    """IR of the kernel itself; it drops the status of Numba's function, which is always "done"."""
    listed = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(kinds))
    kinds = [kind.partition(" ")[0] for kind in kinds]
    types = "".join(f", {kind}" for kind in kinds)
    return f"""target triple = "{TRIPLE}"
target datalayout = "{layout}"
declare i32 @"{native}"(ptr, ptr{types})
define ptx_kernel void @{name}({listed}) "nvvm.maxntid"="{block}" {{
 %result = alloca ptr
 %raised = alloca ptr
 %status = call i32 @"{native}"(ptr %result, ptr %raised{"".join(f", {kind} %a{i}" for i, kind in enumerate(kinds))})
 ret void
}}
"""
