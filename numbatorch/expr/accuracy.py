"""The stated accuracy of a scalar function, kept on the function and read by the tests."""


def accurate(ulp, domain):
    """State that a function errs by at most `ulp` units in the last place for arguments in `domain`.

    `domain` is a pair (low, high), or one pair per argument. The function is returned unchanged, with the attributes
    `ulp` and `domain`; outside the domain it still returns the right limits, infinities and NaNs.
    """

    def mark(function):
        function.ulp = float(ulp)
        function.domain = domain
        return function

    return mark
