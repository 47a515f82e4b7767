"""Results of tasks under PyTorch's names; see `numbatorch.jit.fork`."""

from .jit import Future


def collect_all(futures):
    """A future that is done when all `futures` are; its value is the list of them."""
    result: Future = Future()
    futures = list(futures)
    left = [len(futures)]

    def one_less(_):
        left[0] -= 1
        if left[0] == 0:
            result.set_result(futures)
    for future in futures:
        future.add_done_callback(one_less)
    if not futures:
        result.set_result(futures)
    return result


def wait_all(futures):
    """The values of all `futures`; the first exception among them is raised."""
    return [future.wait() for future in futures]


__all__ = ["Future", "collect_all", "wait_all"]
