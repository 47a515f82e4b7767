"""The stated accuracy of a scalar function, kept on the function and read by the tests."""


def accurate(ulp, domain, unit=0.0):
    """State that a function errs by at most `ulp` units in the last place for arguments in `domain`.

    `domain` is a pair (low, high), or one pair per argument. Near a zero that costs relative accuracy, results smaller
    than `unit` are measured in the last place of `unit`. The function is returned unchanged, with `ulp`, `domain` and
    `unit` as attributes; outside the domain it still returns the right limits, infinities and NaNs.
    """

    def mark(function):
        function.ulp = float(ulp)
        function.domain = domain
        function.unit = float(unit)
        return function

    return mark
