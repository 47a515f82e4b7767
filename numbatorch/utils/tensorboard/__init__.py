"""SummaryWriter: everything TensorBoard shows, by the writer of TensorBoard's own package (`numbatorch[tensorboard]`).

    with SummaryWriter("runs/first") as writer:
        writer.add_scalar("loss", loss, step)
"""

try:
    from tensorboard.summary.writer.record_writer import RecordWriter
except ImportError as error:
    raise ImportError("utils.tensorboard: the package that writes TensorBoard's files is missing; install it with "
                      "`pip install tensorboard`") from error

from .writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "RecordWriter", "SummaryWriter"]
