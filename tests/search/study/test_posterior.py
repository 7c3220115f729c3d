"""What a few seeds say of a configuration: hand-made cases, and whether the figures hold."""

from __future__ import annotations

import numpy as np
import pytest

from search.study.posterior import PRIOR_SD, Seeds, posterior, seed_variance


def test_the_variance_between_seeds_is_pooled_with_the_prior():
    assert seed_variance([Seeds([0.9]), Seeds([0.8])]) == (pytest.approx(PRIOR_SD**2), 2)
    pooled = seed_variance([Seeds([0.90, 0.92]), Seeds([0.5, 0.5, 0.5]), Seeds([0.1], 3)])
    assert pooled.degrees == 2 + 1 + 2
    assert pooled.value == pytest.approx((2 * PRIOR_SD**2 + 2 * 0.01**2) / 5)


def test_few_means_stay_as_they_are_and_more_seeds_make_them_surer():
    known = posterior([Seeds([0.898, 0.902]), Seeds([0.897, 0.901] * 4), Seeds([0.895])])
    assert known.mean.tolist() == pytest.approx([0.900, 0.899, 0.895])
    widths = known.high - known.low
    assert widths[1] < widths[0] < widths[2]
    assert known.best.sum() == pytest.approx(1)
    assert known.best[0] > known.best[1] > known.best[2]


def test_means_that_differ_no_more_than_seeds_do_are_drawn_together():
    near = posterior([Seeds([0.900 + 0.001 * n]) for n in range(8)])
    far = posterior([Seeds([0.90 - 0.05 * n]) for n in range(8)])
    assert np.ptp(near.mean) < 0.5 * 0.007
    assert far.mean[0] == pytest.approx(0.90, abs=0.001)


def test_a_mean_of_more_seeds_is_drawn_less():
    values = [0.910, 0.910, 0.905, 0.904, 0.903, 0.902, 0.901, 0.900]
    seeds = [Seeds([value] * (9 if n == 0 else 1)) for n, value in enumerate(values)]
    known = posterior(seeds)
    assert known.mean[0] > known.mean[1]


def test_a_seed_that_did_not_complete_counts_as_chance():
    known = posterior([Seeds([0.93, 0.93], 1), Seeds([0.90]), Seeds([], 2)])
    assert known.mean.tolist() == pytest.approx([(0.93 * 2 + 0.1) / 3, 0.90, 0.1])
    assert known.best[0] < 0.05
    assert known.best[1] > 0.95
    assert known.low[0] < 0.5 < known.high[0]


def test_it_is_the_same_at_every_call_and_in_every_order():
    seeds = [Seeds([0.90, 0.91]), Seeds([0.905]), Seeds([0.89, 0.9, 0.91]), Seeds([0.88])]
    known, again = posterior(seeds), posterior(seeds)
    assert all((a == b).all() for a, b in zip(known, again, strict=True))
    turned = posterior(seeds[::-1])
    assert turned.mean[::-1].tolist() == pytest.approx(known.mean.tolist())
    assert turned.best[::-1].tolist() == pytest.approx(known.best.tolist(), abs=0.03)
