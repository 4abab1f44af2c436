"""Find the seven numbers of GELU_R in `numpygit/model/layers.py`.

    python golden/fit_gelu.py           # needs scipy and mpmath; prints the numbers and the error

Phi(x) = (1 + tanh(x * R(x^2))) / 2 defines R(u) = atanh(erf(x / sqrt 2)) / x, an even and slowly
changing function. A polynomial in u is fitted to it by least squares. The weights say how much an
error of R changes gelu, and are raised where the error is largest, again and again (Lawson's
method): this ends at the polynomial with the smallest greatest error.
"""

from __future__ import annotations

import math

import mpmath
import numpy as np
from scipy.special import ndtr

DEGREE, REACH, POINTS, ROUNDS = 6, 5.5, 4000, 300


def targets() -> tuple[np.ndarray, np.ndarray]:
    """Chebyshev points x in (0, REACH) and R there, in 40 digits rounded to float64."""
    mpmath.mp.dps = 40
    angles = math.pi * (np.arange(POINTS) + 0.5) / POINTS
    x = REACH * (0.5 - 0.5 * np.cos(angles))
    r = [float(mpmath.atanh(mpmath.erf(mpmath.mpf(v) / mpmath.sqrt(2))) / v) for v in x.tolist()]
    return x, np.array(r)


def fit(x: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit the polynomial in u = x^2: coefficients from u^0 on, and the greatest error of gelu."""
    sensitivity = 2 * ndtr(x) * ndtr(-x) * x * x  # d gelu / d R
    basis = np.polynomial.chebyshev.chebvander(2 * x * x / REACH**2 - 1, DEGREE)
    weight = np.ones(POINTS)
    for _ in range(ROUNDS):
        scale = sensitivity * np.sqrt(weight)
        coefficients = np.linalg.lstsq(basis * scale[:, None], r * scale, rcond=None)[0]
        error = np.abs((basis @ coefficients - r) * sensitivity)
        weight *= error / error.max() + 1e-3
        weight /= weight.mean()
    in_t = np.polynomial.Polynomial(np.polynomial.chebyshev.cheb2poly(coefficients))
    return in_t(np.polynomial.Polynomial([-1, 2 / REACH**2])).coef, error.max()


def main() -> None:
    """Print the coefficients as they stand in the source."""
    coefficients, error = fit(*targets())
    for coefficient in coefficients:
        print(f"    {coefficient:.8e},")
    print(f"greatest error of gelu in exact arithmetic: {error:.1e}")


if __name__ == "__main__":
    main()
