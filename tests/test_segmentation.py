"""Scores of masks: against loops over the definition, and against exact answers."""

import itertools

import numpy as np
import pytest
from constructors import segmenter

from tfcvae import datasets, evaluation

RNG = np.random.default_rng(0)


def random_masks(num, batch=3, classes=None, rng=RNG):
    if classes is None:
        return (rng.uniform(size=(num, batch, 4, 5)) > 0.6).astype("float32")
    return datasets.one_hot_masks(rng.integers(0, classes, (num, batch, 4, 5)), classes)


def iou(a, b):
    """One pair, by sets of pixels."""
    if a.ndim == 2:
        a, b = a[..., None], b[..., None]
    ratios = []
    for c in range(a.shape[-1]):
        first = set(zip(*np.nonzero(a[..., c])))
        second = set(zip(*np.nonzero(b[..., c])))
        if first | second:
            ratios.append(len(first & second) / len(first | second))
    return np.mean(ratios) if ratios else 1.0


@pytest.mark.parametrize("classes", [None, 3])
def test_iou_by_hand(classes):
    a, b = random_masks(4, classes=classes), random_masks(2, classes=classes)
    a[0, 0] = b[0, 0] = 0
    received = evaluation.pairwise_iou(a, b)
    expected = [[[iou(s[i], r[i]) for r in b] for s in a] for i in range(3)]
    if classes is not None:
        a[0, 0], b[0, 0] = [datasets.one_hot_masks(np.zeros((4, 5), int), 3)] * 2
        received, expected = received[1:], expected[1:]
    np.testing.assert_allclose(received, expected)
    pairs = evaluation.intersection_over_union(a[1], b[1])
    np.testing.assert_allclose(pairs, [iou(x, y) for x, y in zip(a[1], b[1])])


def test_empty_masks_agree():
    empty, full = np.zeros((1, 4, 5)), np.ones((1, 4, 5))
    assert evaluation.intersection_over_union(empty, empty) == 1
    assert evaluation.intersection_over_union(empty, full) == 0
    assert evaluation.pixel_accuracy(empty, full) == 0


def test_probabilities_are_read_as_masks():
    a, b = random_masks(3), random_masks(3)
    soft = 0.6 * a + 0.1
    np.testing.assert_array_equal(evaluation.pairwise_iou(soft, b), evaluation.pairwise_iou(a, b))
    one_channel = evaluation.pairwise_iou(a[..., None], b[..., None])
    np.testing.assert_array_equal(one_channel, evaluation.pairwise_iou(a, b))
    classes = random_masks(2, classes=3)
    np.testing.assert_array_equal(
        evaluation.pixel_accuracy(0.4 * classes[0] + 0.1, classes[1]),
        np.mean(classes[0].argmax(-1) == classes[1].argmax(-1), (1, 2)),
    )


@pytest.mark.parametrize("classes", [None, 3])
@pytest.mark.parametrize("estimator", ["unbiased", "v_statistic"])
@pytest.mark.parametrize("kind", ["draws", "population", "weighted"])
def test_energy_distance_by_hand(classes, estimator, kind):
    s, y = random_masks(4, classes=classes), random_masks(3, classes=classes)
    weights = np.array([0.2, 0.5, 0.3]) if kind == "weighted" else np.full(3, 1 / 3)
    received = evaluation.generalized_energy_distance(
        s,
        y,
        estimator=estimator,
        references_are="draws" if kind == "draws" else "population",
        reference_weights=weights if kind == "weighted" else None,
    )
    for row in range(3):

        def d(a, b, row=row):
            return 1 - iou(a[row], b[row])

        across = sum(w * d(a, b) for a in s for b, w in zip(y, weights)) / 4
        own = [d(s[i], s[j]) for i in range(4) for j in range(4) if i != j or estimator[0] == "v"]
        left_out = kind == "draws" and estimator == "unbiased"
        pairs = [(i, j) for i in range(3) for j in range(3) if i != j or not left_out]
        among = [weights[i] * weights[j] * d(y[i], y[j]) for i, j in pairs]
        total = sum(among) * (9 / len(pairs) if kind == "draws" else 1)
        assert received[row] == pytest.approx(2 * across - np.mean(own) - total, abs=1e-6)


def law():
    """Four masks and their probabilities, and D, the mean distance of two draws."""
    modes = random_masks(4, 1, rng=np.random.default_rng(1))
    p = np.array([0.1, 0.2, 0.3, 0.4])
    distances = 1 - evaluation.pairwise_iou(modes, modes)[0]
    return modes, p, p @ distances @ p


def test_energy_distance_of_an_exact_sampler():
    """Unbiased: 0. With self-pairs: D/m against the population, D (1/m + 1/n) against draws."""
    modes, p, mean_distance = law()
    rng = np.random.default_rng(2)
    repeats, m, n = 20_000, 4, 3
    samples = modes[rng.choice(4, (m, repeats), p=p), 0]
    draws = modes[rng.choice(4, (n, repeats), p=p), 0]
    population = np.repeat(modes, repeats, axis=1)
    whole = {"references_are": "population", "reference_weights": p}
    cases = {
        "draws, unbiased": (draws, {}, 0.0),
        "draws, v": (draws, {"estimator": "v_statistic"}, mean_distance * (1 / m + 1 / n)),
        "population, unbiased": (population, whole, 0.0),
        "population, v": (
            population,
            {"estimator": "v_statistic", **whole},
            mean_distance / m,
        ),
    }
    for name, (references, arguments, expected) in cases.items():
        received = evaluation.generalized_energy_distance(samples, references, **arguments)
        error = received.std() / np.sqrt(repeats)
        assert abs(received.mean() - expected) < 4 * error, name
        assert error < 0.01


def test_energy_distance_of_a_wrong_sampler_is_positive():
    modes, p, _ = law()
    wrong = np.repeat(modes[:1], 4, axis=0)
    received = evaluation.generalized_energy_distance(
        wrong, modes, references_are="population", reference_weights=p
    )
    d = 1 - evaluation.pairwise_iou(modes, modes)[0]
    assert received[0] == pytest.approx(2 * d[0] @ p - p @ d @ p)


def test_energy_distance_takes_a_distance():
    def hamming(a, b):
        return np.abs(a[:, None] - b[None]).mean((-1, -2)).transpose(2, 0, 1)

    s, y = random_masks(3), random_masks(2)
    received = evaluation.generalized_energy_distance(s, y, distance=hamming)
    across = np.abs(s[:, None] - y[None]).mean((0, 1, 3, 4))
    own = np.mean([np.abs(s[i] - s[j]).mean((1, 2)) for i, j in [(0, 1), (0, 2), (1, 2)]], axis=0)
    expected = 2 * across - own - np.abs(y[0] - y[1]).mean((1, 2))
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


def test_hungarian_iou_by_all_permutations():
    s, y = random_masks(4), random_masks(4)
    matrix = evaluation.pairwise_iou(s, y)
    expected = [
        max(np.mean([m[i, p[i]] for i in range(4)]) for p in itertools.permutations(range(4)))
        for m in matrix
    ]
    np.testing.assert_allclose(evaluation.hungarian_iou(s, y), expected)
    np.testing.assert_allclose(evaluation.hungarian_iou(y[[2, 0, 3, 1]], y), 1)


def test_hungarian_iou_repeats_to_the_same_number():
    s, y = random_masks(4), random_masks(2)
    expected = evaluation.hungarian_iou(s, np.repeat(y, 2, axis=0))
    np.testing.assert_allclose(evaluation.hungarian_iou(s, y), expected)
    np.testing.assert_allclose(evaluation.hungarian_iou(y, s), expected)
    y = random_masks(3)
    expected = evaluation.hungarian_iou(np.repeat(s, 3, axis=0), np.repeat(y, 4, axis=0))
    np.testing.assert_allclose(evaluation.hungarian_iou(s, y), expected)


def test_diversity():
    same = np.repeat(random_masks(1), 3, axis=0)
    np.testing.assert_array_equal(evaluation.sample_diversity(same), 0)
    s = random_masks(3)
    pairs = list(itertools.combinations(s, 2))
    expected = [np.mean([1 - iou(a[i], b[i]) for a, b in pairs]) for i in range(3)]
    np.testing.assert_allclose(evaluation.sample_diversity(s), expected)


# ---- Modes ---------------------------------------------------------------------------------------


def test_mode_frequencies_of_a_known_sampler():
    data = datasets.ambiguous_shapes(40, seed=3)
    modes, p = data.modes()
    choices = np.random.default_rng(0).integers(0, 32, (5, 40))
    samples = modes[choices, np.arange(40)]
    found = evaluation.mode_frequencies(samples, modes, p)
    counts = np.bincount(choices.ravel(), minlength=32)
    np.testing.assert_array_equal(found.frequencies, counts / 200)
    np.testing.assert_allclose(found.expected, p.mean(1))
    assert found.total_variation == pytest.approx(0.5 * np.abs(counts / 200 - p.mean(1)).sum())
    assert found.num_samples == 200
    by_group = evaluation.mode_frequencies(samples, modes, p, groups=data.groups)
    assert set(by_group) == {"pooled", 0, 1}
    assert by_group["pooled"].total_variation == found.total_variation
    one = evaluation.mode_frequencies(
        samples[:, data.groups == 1], modes[:, data.groups == 1], p[:, data.groups == 1]
    )
    assert by_group[1].kl == one.kl


def test_an_exact_sampler_has_the_right_frequencies():
    data = datasets.ambiguous_shapes(4000, size=(16, 16), seed=1)
    modes, p = data.modes(slice(0, 200))
    law = data.objects[:200], data.probabilities[:200]
    again = [datasets.draw_masks(*law, seed) for seed in range(50)]
    found = evaluation.mode_frequencies(np.stack(again), modes, p)
    assert found.total_variation < 0.05
    assert found.kl < 0.01


# ---- Bad input -----------------------------------------------------------------------------------


GED = evaluation.generalized_energy_distance


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GED(random_masks(3), random_masks(3, batch=2)), "same images"),
        (lambda: GED(random_masks(3)[0], random_masks(3)[0]), "`samples` must have shape"),
        (lambda: GED(random_masks(1), random_masks(3)), "`samples` must hold two draws"),
        (lambda: GED(random_masks(3), random_masks(1)), "`references` must hold two draws"),
        (lambda: GED(random_masks(3), random_masks(3), estimator="u"), "`estimator`"),
        (lambda: GED(random_masks(3), random_masks(3), references_are="all"), "`references_are`"),
        (lambda: GED(random_masks(3), random_masks(3), distance="l2"), "`distance`"),
        (
            lambda: GED(random_masks(3), random_masks(3), reference_weights=[0.2, 0.3, 0.5]),
            "`reference_weights`",
        ),
        (
            lambda: GED(
                random_masks(3),
                random_masks(3),
                references_are="population",
                reference_weights=[0.2, 0.3, 0.6],
            ),
            "`reference_weights`",
        ),
        (lambda: evaluation.sample_diversity(random_masks(1)), "`samples` must hold two draws"),
        (
            lambda: evaluation.mode_frequencies(random_masks(3), random_masks(2), np.ones((2, 3))),
            "`probabilities`",
        ),
        (
            lambda: evaluation.mode_frequencies(
                random_masks(3), random_masks(2), np.full((2, 3), 0.5), groups=[0, 1]
            ),
            "`groups`",
        ),
        (lambda: evaluation.pixel_accuracy(random_masks(1)[0], random_masks(1)), "same images"),
        (lambda: evaluation.pairwise_iou(random_masks(2), 2 * random_masks(2)), "`references`"),
        (lambda: GED(np.nan * random_masks(2), random_masks(2)), "`samples`"),
    ],
)
def test_scores_refuse(call, message):
    with pytest.raises(ValueError, match=f"{message}.*Received"):
        call()


def test_one_reference_can_be_the_population():
    """A data set with one right answer for each image has a score without pairs of references."""
    assert GED(random_masks(3), random_masks(1), references_are="population").shape == (3,)


def test_scores_take_what_a_model_returns():
    data = datasets.ambiguous_shapes(4, size=(16, 16))
    model = segmenter((16, 16, 1))
    samples = model.sample(data.images, 3, seed=0)
    modes, p = data.modes()
    distance = GED(samples, modes, references_are="population", reference_weights=p)
    assert distance.shape == (4,) and np.all(np.isfinite(distance))


def test_all_scores_at_once():
    data = datasets.ambiguous_shapes(30, size=(16, 16), seed=1)
    modes, p = data.modes()
    draws = np.stack([datasets.draw_masks(data.objects, data.probabilities, s) for s in range(6)])
    scores = evaluation.mask_scores(
        data.masks, draws[:4], data.masks, draws[4:], modes, p, data.groups
    )
    assert scores["pixel_accuracy"] == scores["iou"] == 1
    assert scores["sampled_iou"] == evaluation.pairwise_iou(draws[:4], data.masks[None]).mean()
    assert scores["matched_iou"] == evaluation.hungarian_iou(draws[:4], draws[4:]).mean()
    assert scores["diversity"] == evaluation.sample_diversity(draws[:4]).mean()
    population = {"references_are": "population", "reference_weights": p}
    expected = GED(draws[:4], modes, **population).mean()
    assert scores["generalized_energy_distance"] == expected
    by_group = evaluation.mode_frequencies(draws[:4], modes, p, data.groups)
    assert scores["mode_total_variation"] == by_group["pooled"].total_variation
    assert scores["mode_total_variation_1"] == by_group[1].total_variation
    assert scores["num_samples"] == 4
    plain = evaluation.mask_scores(data.masks, draws[:4], data.masks)
    assert "mode_kl" not in plain and plain["matched_iou"] == pytest.approx(scores["sampled_iou"])


def test_scores_use_the_masks_of_all_annotators():
    samples, references = random_masks(6), random_masks(3)
    scores = evaluation.mask_scores(samples[0], samples, references[0], references=references)
    expected = evaluation.generalized_energy_distance(samples, references).mean()
    assert scores["generalized_energy_distance"] == pytest.approx(expected)
