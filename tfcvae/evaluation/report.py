"""All scores of predicted masks at once."""

import numpy as np

from tfcvae.evaluation.masks import intersection_over_union, pairwise_iou, pixel_accuracy
from tfcvae.evaluation.modes import mode_frequencies
from tfcvae.evaluation.segmentation import (
    generalized_energy_distance,
    hungarian_iou,
    sample_diversity,
)


def mask_scores(
    prediction, samples, target, references=None, modes=None, probabilities=None, groups=None
):
    """Scores a deterministic prediction and samples of masks over a data set.

    Args:
        prediction: masks or probabilities `[batch, height, width(, classes)]`.
        samples: masks or probabilities `[num_samples >= 2, batch, height, width(, classes)]`.
        target: right masks, of the shape of `prediction`.
        references: draws of the right law `[num_references, batch, height, width(, classes)]`,
            such as the masks of several annotators; the targets if `None`.
        modes: all right masks `[num_modes, batch, height, width(, classes)]`, if they are known.
        probabilities: array `[num_modes, batch]`, those of `modes`.
        groups: array `[batch]`, as in `mode_frequencies`.

    Returns:
        Dict of floats, means over the batch: `pixel_accuracy` and `iou` of the prediction,
        `sampled_pixel_accuracy` and `sampled_iou` of the samples, all against the targets;
        `matched_iou` (`hungarian_iou`) with the references; `diversity`;
        `generalized_energy_distance`, unbiased, to the modes as a population, else to the
        references as draws; to a single mask of each image it is too large by the mean distance of
        two right masks, the same for all models; with modes
        `mode_total_variation`, `mode_kl`, and `mode_total_variation_{group}` of each group;
        `num_samples`.

    Raises:
        ValueError: if the shapes do not fit.
    """
    target = np.asarray(target)
    references = target[None] if references is None else references
    is_population = modes is not None or len(references) < 2
    found = {
        "pixel_accuracy": pixel_accuracy(prediction, target).mean(),
        "iou": intersection_over_union(prediction, target).mean(),
        "sampled_pixel_accuracy": np.mean([pixel_accuracy(sample, target) for sample in samples]),
        "sampled_iou": pairwise_iou(samples, target[None]).mean(),
        "matched_iou": hungarian_iou(samples, references).mean(),
        "diversity": sample_diversity(samples).mean(),
        "generalized_energy_distance": generalized_energy_distance(
            samples,
            references if modes is None else modes,
            references_are="population" if is_population else "draws",
            reference_weights=None if modes is None else probabilities,
        ).mean(),
    }
    if modes is not None:
        groups = np.zeros(len(target), int) if groups is None else groups
        compared = mode_frequencies(samples, modes, probabilities, groups)
        pooled = compared.pop("pooled")
        found["mode_total_variation"] = pooled.total_variation
        found["mode_kl"] = pooled.kl
        if len(compared) > 1:
            for group, own in compared.items():
                found[f"mode_total_variation_{group}"] = own.total_variation
    return {**{name: float(value) for name, value in found.items()}, "num_samples": len(samples)}
