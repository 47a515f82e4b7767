"""The standard steps of samples by index: each a class here and, by its functional name, a method of MapDataPipe."""

from numbatorch.utils.data.datapipes.map.steps import (
    BatcherMapDataPipe as Batcher,
    ConcaterMapDataPipe as Concater,
    MapperMapDataPipe as Mapper,
    SequenceWrapperMapDataPipe as SequenceWrapper,
    ShufflerIterDataPipe as Shuffler,
    ZipperMapDataPipe as Zipper,
)

__all__ = ["Batcher", "Concater", "Mapper", "SequenceWrapper", "Shuffler", "Zipper"]
