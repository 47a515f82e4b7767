"""The distributions that tests compare: a class and its parameters, of which lists become float64 tensors."""

COVARIANCE = [[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.7]]
LOWER = [[1.2, 0.0, 0.0], [0.3, 0.8, 0.0], [-0.4, 0.1, 1.5]]

CASES = {
    "Bernoulli": ("Bernoulli", {"probs": [0.2, 0.5, 0.9]}),
    "Bernoulli of logits": ("Bernoulli", {"logits": [-0.2, 1.5, 3.0]}),
    "Beta": ("Beta", {"concentration1": [0.5, 1.0, 4.0], "concentration0": [0.7, 2.0, 3.0]}),
    "Binomial": ("Binomial", {"total_count": 12, "probs": [0.2, 0.5, 0.9]}),
    "Binomial of logits": ("Binomial", {"total_count": 4, "logits": [-1.0, 0.5, 2.0]}),
    "Categorical": ("Categorical", {"probs": [[0.2, 0.5, 0.9], [1.0, 1.0, 2.0]]}),
    "Categorical of logits": ("Categorical", {"logits": [[0.2, -0.5, 0.9], [1.0, 1.0, 2.0]]}),
    "Cauchy": ("Cauchy", {"loc": [0.5, -1.0], "scale": [0.7, 2.0]}),
    "Chi2": ("Chi2", {"df": [0.5, 3.0, 11.0]}),
    "ContinuousBernoulli": ("ContinuousBernoulli", {"probs": [0.2, 0.4995, 0.9]}),
    "ContinuousBernoulli of logits": ("ContinuousBernoulli", {"logits": [-0.2, 0.001, 3.0]}),
    "Dirichlet": ("Dirichlet", {"concentration": [[0.5, 1.0, 4.0], [2.0, 3.0, 1.5]]}),
    "Exponential": ("Exponential", {"rate": [0.5, 1.0, 4.0]}),
    "FisherSnedecor": ("FisherSnedecor", {"df1": [1.5, 3.0, 7.0], "df2": [1.0, 3.5, 9.0]}),
    "Gamma": ("Gamma", {"concentration": [0.5, 1.0, 4.0], "rate": [0.7, 2.0, 3.0]}),
    "GeneralizedPareto": ("GeneralizedPareto", {"loc": [0.5, -1.0, 2.0, 0.0], "scale": [0.7, 2.0, 1.0, 1.0],
                                                "concentration": [0.3, 0.0, -0.4, 1.5]}),
    "Geometric": ("Geometric", {"probs": [0.2, 0.5, 0.9]}),
    "Geometric of logits": ("Geometric", {"logits": [-0.2, 1.5, 3.0]}),
    "Gumbel": ("Gumbel", {"loc": [0.5, -1.0], "scale": [0.7, 2.0]}),
    "HalfCauchy": ("HalfCauchy", {"scale": [0.7, 2.0]}),
    "HalfNormal": ("HalfNormal", {"scale": [0.7, 2.0]}),
    "InverseGamma": ("InverseGamma", {"concentration": [0.5, 1.5, 4.0], "rate": [0.7, 2.0, 3.0]}),
    "Kumaraswamy": ("Kumaraswamy", {"concentration1": [1.5, 3.0], "concentration0": [2.0, 1.2]}),
    "LKJCholesky": ("LKJCholesky", {"dim": 3, "concentration": [0.7, 2.0]}),
    "Laplace": ("Laplace", {"loc": [0.5, -1.0], "scale": [0.7, 2.0]}),
    "LogNormal": ("LogNormal", {"loc": [0.5, -1.0], "scale": [0.7, 1.2]}),
    "LogisticNormal": ("LogisticNormal", {"loc": [[0.5, -1.0], [0.0, 0.2]], "scale": [[0.7, 2.0], [1.0, 0.5]]}),
    "LowRankMultivariateNormal": ("LowRankMultivariateNormal", {
        "loc": [0.5, -1.0, 0.0], "cov_factor": [[1.0, 0.2], [0.3, -0.5], [0.0, 2.0]], "cov_diag": [0.7, 2.0, 1.0]}),
    "Multinomial": ("Multinomial", {"total_count": 7, "probs": [[0.2, 0.5, 0.9], [1.0, 1.0, 2.0]]}),
    "MultivariateNormal": ("MultivariateNormal", {"loc": [[0.5, -1.0, 0.0], [1.0, 2.0, 3.0]],
                                                  "covariance_matrix": COVARIANCE}),
    "MultivariateNormal of a precision": ("MultivariateNormal", {"loc": [0.5, -1.0, 0.0],
                                                                 "precision_matrix": COVARIANCE}),
    "MultivariateNormal of factors": ("MultivariateNormal", {"loc": [0.5, -1.0, 0.0], "scale_tril": [LOWER, LOWER]}),
    "NegativeBinomial": ("NegativeBinomial", {"total_count": [3.0, 5.5], "probs": [0.2, 0.7]}),
    "NegativeBinomial of logits": ("NegativeBinomial", {"total_count": 3, "logits": [-0.5, 1.0]}),
    "Normal": ("Normal", {"loc": [0.5, -1.0], "scale": [0.7, 2.0]}),
    "OneHotCategorical": ("OneHotCategorical", {"probs": [[0.2, 0.5, 0.9], [1.0, 1.0, 2.0]]}),
    "OneHotCategoricalStraightThrough": ("OneHotCategoricalStraightThrough", {"logits": [0.2, 0.5, 0.9]}),
    "Pareto": ("Pareto", {"scale": [0.7, 2.0, 1.0], "alpha": [0.8, 1.7, 3.0]}),
    "Poisson": ("Poisson", {"rate": [0.5, 3.0, 25.0]}),
    "RelaxedBernoulli": ("RelaxedBernoulli", {"temperature": [0.8], "probs": [0.2, 0.5, 0.9]}),
    "RelaxedOneHotCategorical": ("RelaxedOneHotCategorical", {"temperature": [0.8], "logits": [0.2, 0.5, 0.9]}),
    "StudentT": ("StudentT", {"df": [0.8, 1.7, 5.0], "loc": [0.5, -1.0, 0.0], "scale": [0.7, 2.0, 1.0]}),
    "Uniform": ("Uniform", {"low": [0.2, -1.0], "high": [0.7, 2.0]}),
    "VonMises": ("VonMises", {"loc": [0.5, -1.0, 3.0], "concentration": [0.7, 20.0, 1e-6]}),
    "Weibull": ("Weibull", {"scale": [0.7, 2.0], "concentration": [1.5, 3.0]}),
    "Wishart": ("Wishart", {"df": [4.5, 7.0], "covariance_matrix": COVARIANCE}),
    "Wishart of a factor": ("Wishart", {"df": 5.0, "scale_tril": LOWER}),
}


def tensor(library, values, requires_grad=False, dtype="float64"):
    return library.tensor(values, dtype=getattr(library, dtype), requires_grad=requires_grad)


def make(library, name, requires_grad=False):
    """The distribution of a case in numbatorch or torch, and its tensors."""
    kind, parameters = CASES[name]
    dtype = "float32" if kind == "GeneralizedPareto" else "float64"  # PyTorch's mixes float32 into others
    given = {key: tensor(library, value, requires_grad, dtype) if isinstance(value, list) else value
             for key, value in parameters.items()}
    return getattr(library.distributions, kind)(**given), [v for v in given.values() if hasattr(v, "requires_grad")]
