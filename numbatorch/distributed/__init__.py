"""Several processes that train together: this build has no way for them to exchange tensors, and says so.

Programs that ask (is_available(), is_initialized()) get their answer and train alone; what needs other processes raises
NotImplementedError. Processes on one machine can share tensors through numbatorch.multiprocessing.
"""

import enum
import os

_ALONE = "tensors are not exchanged between processes in this build; train in one process, or share tensors with " \
         "numbatorch.multiprocessing"
# Asked: the answer is no.
_QUESTIONS = """
    is_available is_initialized is_backend_available is_gloo_available is_mpi_available is_nccl_available
    is_ucc_available is_xccl_available
""".split()
# Asked of a group that init_process_group would have made.
_OF_GROUPS = """
    get_backend get_group_rank get_global_rank get_node_local_rank get_process_group_ranks get_rank get_world_size
""".split()
# Ordered: refused.
_ORDERS = """
    all_gather all_gather_coalesced all_gather_into_tensor all_gather_object all_reduce all_reduce_coalesced all_to_all
    all_to_all_single barrier batch_isend_irecv breakpoint broadcast broadcast_object_list destroy_process_group gather
    gather_object init_device_mesh init_process_group irecv isend monitored_barrier new_group new_subgroups
    new_subgroups_by_enumeration recv recv_object_list reduce reduce_scatter reduce_scatter_tensor scatter
    scatter_object_list send send_object_list split_group supports_complex
""".split()
_CLASSES = "DeviceMesh FileStore HashStore P2POp PrefixStore ProcessGroup Store TCPStore Work".split()


class ReduceOp(enum.Enum):
    """How values of several processes become one."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7
    PREMUL_SUM = 8


class Backend(str):
    """The name of a way to exchange tensors; none is built in."""

    UNDEFINED = "undefined"
    GLOO = "gloo"
    NCCL = "nccl"
    UCC = "ucc"
    MPI = "mpi"
    XCCL = "xccl"

    def __new__(cls, name):
        if not isinstance(name, str):
            raise ValueError(f"Backend: the name must be a string such as 'gloo', got {name!r}")
        return super().__new__(cls, name.lower())


class DistError(RuntimeError):
    """Something went wrong between processes."""


class DistBackendError(DistError):
    """The exchange itself failed."""


class DistNetworkError(DistError):
    """The network failed."""


class DistStoreError(DistError):
    """The store that processes meet at failed."""


def is_torchelastic_launched() -> bool:
    """Whether a launcher of several processes started this one, by the variable it sets."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def _answer(name):
    def function(*args, **kwargs):
        return False
    return _named(function, name, f"False: {_ALONE}.")


def _of_group(name):
    def function(*args, **kwargs):
        raise ValueError(f"distributed.{name}: no process group was made, and none can be: {_ALONE}")
    return _named(function, name, "ValueError: there is no process group.")


def absent_class(name, module=__name__):
    """A class that programs ask isinstance() about: it has no instances, and making one raises NotImplementedError."""
    def refuse(self, *args, **kwargs):
        raise NotImplementedError(f"{module.partition('.')[2]}.{name}: {_ALONE}")
    return type(name, (), {"__init__": refuse, "__module__": module, "__doc__": f"NotImplementedError: {_ALONE}."})


def refusal(name):
    """A function that raises NotImplementedError: it needs other processes."""
    def function(*args, **kwargs):
        raise NotImplementedError(f"distributed.{name}: {_ALONE}")
    return _named(function, name, f"NotImplementedError: {_ALONE}.")


def _named(function, name, doc):
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


globals().update({name: _answer(name) for name in _QUESTIONS})
globals().update({name: _of_group(name) for name in _OF_GROUPS})
globals().update({name: refusal(name) for name in _ORDERS})
globals().update({name: absent_class(name) for name in _CLASSES})
group = type("group", (), {"WORLD": None, "__doc__": "The group of all processes: there is none."})


class GroupMember:
    """Membership of the group of all processes: there is none."""

    WORLD = None
    NON_GROUP_MEMBER = -100


def __getattr__(name):
    """Submodules are imported when first named."""
    if name in ("device_mesh", "rpc", "tensor"):
        import importlib
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = sorted(["Backend", "DistBackendError", "DistError", "DistNetworkError", "DistStoreError", "GroupMember",
                  "ReduceOp", "group", "is_torchelastic_launched", *_QUESTIONS, *_OF_GROUPS, *_ORDERS, *_CLASSES])
