"""Every method uses only the past, and the combination learns which ones to trust."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jobs.analysis import forecast_methods as methods
from jobs.analysis.backtest import (
    COMBINED,
    backtest_subscribers,
    backtest_views,
    errors_by_spread,
    outcomes,
    score,
    subscribers_path,
    views_path,
)
from jobs.analysis.forecast_intervals import HISTORIES, HORIZONS, intervals, week_intervals
from jobs.analysis.forecast_subscribers import PACES, combined_path, paths

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
gain = st.one_of(st.just(np.nan), st.integers(0, 10**6).map(float))
matrices = arrays.arrays(
    float, st.tuples(st.integers(1, 3), st.integers(1, 40)), elements=gain, fill=st.nothing()
)


def forecasts(gains: Matrix) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    """Return the combined forecast of each day from the days before."""
    return np.asarray(views_path(gains).ahead)


def noisy(channels: int, days: int, spread: float = 0.4) -> Matrix:
    """Make channels of different sizes whose days vary by chance."""
    rng = np.random.default_rng(3)
    return np.asarray(
        rng.lognormal(6, 2, (channels, 1)) * rng.lognormal(0, spread, (channels, days))
    )


@given(matrices, st.data())
def test_methods_do_not_see_the_future(gains: Matrix, data: st.DataObject) -> None:
    """Later days change no earlier forecast or interval."""
    day = data.draw(st.integers(0, gains.shape[1] - 1))
    changed = gains.copy()
    changed[:, day:] = 12_345.0
    here, there = forecasts(gains), forecasts(changed)
    np.testing.assert_allclose(here[:, : day + 1], there[:, : day + 1])
    low = intervals(here, gains, methods.view_scale(here, gains))[0]
    other = intervals(there, changed, methods.view_scale(there, changed))[0]
    np.testing.assert_allclose(low[:, : day + 1], other[:, : day + 1])


@given(matrices, st.sampled_from([2.0, 1024.0]))
def test_methods_scale_with_their_unit(gains: Matrix, factor: float) -> None:
    """Twice the views give twice the forecast, from every method and their combination."""
    one, other = methods.paths(gains, 9), methods.paths(factor * gains, 9)
    np.testing.assert_allclose(other, factor * one, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(forecasts(factor * gains), factor * forecasts(gains), rtol=1e-6)


@given(matrices)
def test_methods_treat_each_channel_alone(gains: Matrix) -> None:
    """Neither the order of channels nor the other channels change a forecast."""
    np.testing.assert_allclose(forecasts(gains)[0], forecasts(gains[:1])[0])
    np.testing.assert_allclose(forecasts(gains[::-1])[::-1], forecasts(gains))


@given(matrices)
def test_intervals_are_in_order_and_finite(gains: Matrix) -> None:
    """Every forecast has a finite interval around it, not below zero."""
    ahead = forecasts(gains)
    low, high = intervals(ahead, gains, methods.view_scale(ahead, gains))
    made = ~np.isnan(ahead)
    assert np.isfinite(low[made]).all()
    assert np.isfinite(high[made]).all()
    assert (low[made] >= 0).all()
    assert (low[made] <= ahead[made]).all()
    assert (ahead[made] <= high[made]).all()


def test_methods_wait_for_four_days_of_a_week() -> None:
    """With three known days of the last seven there is no forecast."""
    gains = np.array([[np.nan, 5.0, np.nan, 5.0, np.nan, 5.0, 5.0]])
    predicted = methods.paths(gains, 1)[methods.METHODS.index(methods.BASELINE), 0, :, 0]
    assert np.isnan(predicted[:7]).all()
    assert predicted[7] == 5


def test_methods_pay_the_arrears_of_a_late_counter() -> None:
    """After one day without gain twice the usual comes, after two days three times; only once."""
    for still, factor in ((1, 2.0), (2, 3.0)):
        gains = np.array([[*[100.0] * 14, *[0.0] * still]])
        predicted = methods.paths(gains, 1)[methods.METHODS.index(methods.BASELINE), 0, -1, 0]
        assert predicted == pytest.approx(100 * factor)
        ahead = forecasts(gains)[0, -1]
        assert ahead[0] - ahead[1] >= 95 * still


def test_methods_pay_no_arrears_where_low_days_are_usual() -> None:
    """A low day among low days owes nothing; an unusually low one was partly late."""
    wild = np.array([[100.0, 20, 90, 30, 110, 25, 95, 28, 105, 22.0]])
    past = np.concatenate([[[np.nan]], wild], axis=1)
    assert methods.arrears(past, methods.weekly_median(past))[0, -1] == 0
    calm = np.array([[*[100.0] * 10, 30]])
    past = np.concatenate([[[np.nan]], calm], axis=1)
    assert methods.arrears(past, methods.weekly_median(past))[0, -1] == pytest.approx(0.8 * 70)


def test_weights_go_to_the_best_methods() -> None:
    """On a channel that doubles every Sunday the seasonal method gets the largest weight."""
    gains = np.tile([100.0, 100, 100, 100, 100, 100, 200], 9)[None]
    predicted = methods.paths(gains, 7)
    weight = methods.weights(predicted, gains)[:, 0, -1]
    np.testing.assert_allclose(weight.sum(axis=0), 1)
    assert methods.METHODS[int(weight[:, 0].argmax())] == methods.SEASONAL
    start = methods.weights(predicted, gains)[:, 0, 0]
    np.testing.assert_allclose(start, 1 / len(methods.METHODS))


def test_weights_differ_by_horizon() -> None:
    """On a level that wanders, the last day is trusted more for tomorrow than for next week."""
    rng = np.random.default_rng(5)
    gains = np.exp(8 + np.cumsum(rng.normal(0, 0.2, (40, 80)), axis=1))
    gains[:, ::2] *= 1.3
    weight = methods.weights(methods.paths(gains, 14), gains)[:, :, -1].mean(axis=1)
    quick = methods.METHODS.index("exponential smoothing by 0.5")
    slow = methods.METHODS.index("exponential smoothing by 0.1")
    assert weight[quick, 0] / weight[slow, 0] > 1.5 * weight[quick, 13] / weight[slow, 13]


def test_trends_go_on_but_not_for_ever() -> None:
    """A channel that grows by 3 % a day is forecast to grow, by less each day."""
    gains = (1_000 * 1.03 ** np.arange(60.0))[None]
    place = next(i for i, name in enumerate(methods.METHODS) if name.startswith("damped trend"))
    path = methods.paths(gains, 14)[place, 0, -1]
    steps = np.diff(np.log(path))
    assert (steps > 0).all()
    assert (np.diff(steps) < 0).all()


def test_weekdays_repeat_their_share() -> None:
    """Where Sundays bring double, the median by weekday forecasts about that for each Sunday."""
    gains = np.tile([100.0, 100, 100, 100, 100, 100, 200], 9)[None]
    path = methods.paths(gains, 14)[-1, 0, -1]
    sundays = path[[6, 13]]
    assert (sundays > 1.4 * path[:6].max()).all()


def test_a_late_platform_owes_the_first_day_only() -> None:
    """After a day on which every counter stood still, one day is owed, whatever the channel did."""
    gains = np.array([[*[100.0] * 27, 50.0]])
    factor = np.array([*[1.0] * 27, 0.5])
    owing, plain = methods.paths(gains, 3, factor), methods.paths(gains, 3)
    level = methods.METHODS.index(methods.BASELINE)
    assert owing[level, 0, -1, 0] == pytest.approx(100 * (1 + 0.8 * 0.5))
    np.testing.assert_allclose(owing[..., 1:], plain[..., 1:])
    np.testing.assert_allclose(methods.paths(gains, 3, np.ones(28)), plain)


def test_intervals_hold_four_fifths_of_what_comes() -> None:
    """Intervals cover four fifths on calm and wild channels; a week ahead no less."""
    for spread in (0.15, 0.6):
        found = backtest_views(views_path(noisy(60, 58, spread))).by_horizon
        assert found[1].coverage == pytest.approx(0.85, abs=0.06)
        assert 0.75 < (found[7].coverage or 0) < 0.97


@given(matrices)
def test_intervals_do_not_narrow_with_the_horizon(gains: Matrix) -> None:
    """An interval never gets narrower further ahead."""
    level = np.repeat(methods.mean_before(gains)[:, :, None], 14, axis=2)
    low, high = intervals(level, gains, np.ones_like(level))
    made = ~np.isnan(level[:, :, 0])
    assert (np.diff(low[made], axis=1) <= 0).all()
    assert (np.diff(high[made], axis=1) >= 0).all()


def test_week_is_the_sum_of_its_days() -> None:
    """The week's forecast is the sum of seven days; its interval is narrower than theirs added."""
    gains = noisy(20, 40)
    path = views_path(gains)
    low, high = intervals(path.ahead, gains, path.scale)
    week, week_low, week_high = week_intervals(path.ahead, gains, path.scale)
    np.testing.assert_allclose(week[:, -1], path.ahead[:, -1, :7].sum(axis=1))
    assert (week_high - week_low)[:, -1].mean() < (high - low)[:, -1, :7].sum(axis=1).mean()


def test_wild_channels_get_wider_intervals() -> None:
    """Intervals are as wide as the channel's own errors, after three weeks of them."""
    wide = []
    for spread in (0.1, 0.3, 0.9):
        gains = noisy(40, 35, spread)
        path = views_path(gains)
        low, high = intervals(path.ahead, gains, path.scale)
        wide.append(np.median((high - low)[:, -1, 0] / path.ahead[:, -1, 0]))
    assert wide[1] > 2 * wide[0]
    assert wide[2] > 2 * wide[1]


def test_outcomes_count_by_history_and_horizon() -> None:
    """A forecast from 10 days counts under 7, and each outcome on a day that is asked about."""
    gains = noisy(3, 16)
    path = views_path(gains)
    found = outcomes(path)
    assert set(found) == {(n, h) for n in HISTORIES for h in (*HORIZONS, 0)}
    assert found[7, 1].held.size == 3 * 7
    assert found[14, 1].held.size == 3 * 2
    assert found[7, 0].held.size == 3 * 3
    last = outcomes(path, np.arange(16) == 15)
    assert last[14, 1].held.size == 3
    assert last[7, 0].held.size == 0
    assert errors_by_spread(path)[7, 1].size == 3 * 7


def test_interval_score_is_width_and_ten_times_the_miss() -> None:
    """Out of a steady channel, a day of three times the views costs ten times its distance."""
    gains = np.array([[*[100.0] * 20, 300.0]])
    path = views_path(gains)
    low, high = intervals(path.ahead, gains, path.scale)
    found = outcomes(path, np.arange(21) == 20)[14, 1]
    width = (high - low)[0, 20, 0]
    assert not found.held[0]
    assert found.lost[0] == pytest.approx((width + 10 * (300 - high[0, 20, 0])) / gains.mean())


def test_backtest_scores_are_those_written_out() -> None:
    """The error is the mean absolute error over the mean gain, median over channels."""
    actual = np.array([[10.0] * 8, [20.0] * 8, [np.nan] * 8])
    predicted = np.full((3, 9), 15.0)
    scored = np.ones((3, 9), dtype=bool)
    found = score(predicted, actual, scored, (predicted - 6, predicted + 4))
    assert (found.channels, found.days) == (2, 16)
    assert found.error == pytest.approx((0.5 + 0.25) / 2)
    assert (found.coverage, found.below, found.above) == (0.5, 0.0, 0.5)


def test_backtest_beats_nothing_where_nothing_can_be_known() -> None:
    """If days vary by pure chance about a level, no method beats that chance."""
    gains = noisy(80, 58)
    found = backtest_views(views_path(gains)).next_day[COMBINED]
    best = np.median(
        np.abs(gains - np.median(gains, axis=1, keepdims=True)).mean(axis=1) / gains.mean(axis=1)
    )
    assert best * 0.98 < found.error < best * 1.15


def test_paths_go_on_at_their_pace() -> None:
    """Every pace sees ten a day, even over gaps; only standing still does not."""
    counts = 1_000 + 10 * np.arange(40.0)[None]
    counts[0, [5, 17, 39]] = np.nan
    predicted = paths(counts, 3)[:, 0, -1]
    np.testing.assert_allclose(predicted[0], 1_380)
    np.testing.assert_allclose(predicted[1:], np.tile([1_400.0, 1_410, 1_420], (len(PACES) - 1, 1)))


def test_subscribers_of_a_steady_channel_are_known() -> None:
    """The combination learns that a steadily growing channel continues to grow."""
    counts = 5_000 + 10 * np.arange(60.0)[None]
    ahead, _, weight = combined_path(counts, np.array([1.0]), 14)
    np.testing.assert_allclose(ahead[0, -1], 5_600 + 10 * np.arange(14), atol=3)
    np.testing.assert_allclose(weight.sum(axis=0), 1)
    ours, still = backtest_subscribers(subscribers_path(counts, np.array([1.0])))
    assert ours[7].error < 0.2 < still[7].error
