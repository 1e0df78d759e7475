"""The task of segmentation with several right answers."""

import types

import numpy as np

from tfcvae import CVAE, datasets, evaluation, layers, networks, plotting
from tfcvae.cli.tasks import DATA_SEEDS, Task
from tfcvae.datasets import Splits

_NUM_IMAGES = (4000, 500, 500)
_NUM_SAMPLES = 16
_DRAWN = 3


class Segmentation(Task):
    """Masks of `shapes`, which switch among 32 modes, or of `garments`, which are partly hidden."""

    def __init__(self, data, options):
        self.options = types.SimpleNamespace(**options)
        if data == "garments":
            self._shapes = None
            directory = self.options.data_dir
            self.splits = datasets.occluded_garments(_NUM_IMAGES, directory=directory)
        else:
            self._shapes = [datasets.ambiguous_shapes(n, seed=i) for i, n in enumerate(_NUM_IMAGES)]
            self.splits = Splits(*((s.images, s.objects, s.probabilities) for s in self._shapes))

    def prepare(self, *arrays, seed):
        if self._shapes is None:
            return arrays
        images, objects, probabilities = arrays
        return images, datasets.draw_masks(objects, probabilities, seed)

    def model(self, kl):
        latents, width = self.options.latents, self.options.units
        size = self.splits.test[0].shape[1:3]
        filters = (width, 2 * width, 4 * width)
        network = networks.unet(filters, head_filters=(2 * width, 2 * width))
        return CVAE(
            layers.IndependentNormal(latents, network=self._encoder()),
            self._prior(self._encoder()),
            layers.MultiScale(layers.IndependentBernoulli((*size, 1), network=network)),
            regularizers=[kl],
        )

    def scores(self, model):
        x, y = self.held_out("test")
        prediction = model.predict(x, batch_size=100, verbose=0)
        samples = self._samples(model, x, _NUM_SAMPLES)
        known = {}
        if self._shapes is not None:
            known["references"] = self._references(x, _NUM_SAMPLES)
            known["modes"], known["probabilities"] = self._shapes[-1].modes()
            known["groups"] = self._shapes[-1].groups
        return evaluation.mask_scores(prediction, samples, y, **known)

    def pictures(self, model):
        return {"segmentations": self.sample(model, None, self.options.seed)}

    def sample(self, model, num_samples, seed):
        x, y = (np.asarray(array)[:6] for array in self.held_out("test"))
        references = y[None] if self._shapes is None else self._references(x, _DRAWN)
        samples = self._samples(model, x, max(num_samples or 0, _NUM_SAMPLES), seed)
        return plotting.segmentations(x, references, samples, num_samples=num_samples or 4)

    def _encoder(self):
        width = self.options.units
        return networks.conv_encoder((width, 2 * width, 4 * width), units=(8 * width,))

    def _samples(self, model, x, num_samples, seed=0):
        """Mean masks of draws of z, `[num_samples, n, height, width, 1]`."""
        parts = np.array_split(x, -(-len(x) // 50))
        return np.concatenate(
            [
                model.sample(part, num_samples, seed=(seed, i), mean=True)
                for i, part in enumerate(parts)
            ],
            axis=1,
        )

    def _references(self, x, number):
        """Right masks of the first test images, drawn anew."""
        shapes = self._shapes[-1]
        law = shapes.objects[: len(x)], shapes.probabilities[: len(x)]
        seeds = range(1000 + DATA_SEEDS["test"], 1000 + DATA_SEEDS["test"] + number)
        return np.stack([datasets.draw_masks(*law, seed) for seed in seeds])
