"""The bits of 2/pi, for reducing large angles; a function of comparisons, as kernels have no tables."""

from numpy import uint64


def two_over_pi(k):
    """32 bits of 2/pi: those of 2^(-32 k - 1) to 2^(-32 k - 32); none for k below 0."""
    if k == 0:
        return uint64(0xA2F9836E)
    if k == 1:
        return uint64(0x4E441529)
    if k == 2:
        return uint64(0xFC2757D1)
    if k == 3:
        return uint64(0xF534DDC0)
    if k == 4:
        return uint64(0xDB629599)
    if k == 5:
        return uint64(0x3C439041)
    if k == 6:
        return uint64(0xFE5163AB)
    if k == 7:
        return uint64(0xDEBBC561)
    if k == 8:
        return uint64(0xB7246E3A)
    if k == 9:
        return uint64(0x424DD2E0)
    if k == 10:
        return uint64(0x06492EEA)
    if k == 11:
        return uint64(0x09D1921C)
    if k == 12:
        return uint64(0xFE1DEB1C)
    if k == 13:
        return uint64(0xB129A73E)
    if k == 14:
        return uint64(0xE88235F5)
    if k == 15:
        return uint64(0x2EBB4484)
    if k == 16:
        return uint64(0xE99C7026)
    if k == 17:
        return uint64(0xB45F7E41)
    if k == 18:
        return uint64(0x3991D639)
    if k == 19:
        return uint64(0x835339F4)
    if k == 20:
        return uint64(0x9C845F8B)
    if k == 21:
        return uint64(0xBDF9283B)
    if k == 22:
        return uint64(0x1FF897FF)
    if k == 23:
        return uint64(0xDE05980F)
    if k == 24:
        return uint64(0xEF2F118B)
    if k == 25:
        return uint64(0x5A0A6D1F)
    if k == 26:
        return uint64(0x6D367ECF)
    if k == 27:
        return uint64(0x27CB09B7)
    if k == 28:
        return uint64(0x4F463F66)
    if k == 29:
        return uint64(0x9E5FEA2D)
    if k == 30:
        return uint64(0x7527BAC7)
    if k == 31:
        return uint64(0xEBE5F17B)
    if k == 32:
        return uint64(0x3D0739F7)
    if k == 33:
        return uint64(0x8A5292EA)
    if k == 34:
        return uint64(0x6BFB5FB1)
    if k == 35:
        return uint64(0x1F8D5D08)
    if k == 36:
        return uint64(0x56033046)
    if k == 37:
        return uint64(0xFC7B6BAB)
    return uint64(0)
