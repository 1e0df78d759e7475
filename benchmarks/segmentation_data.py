"""The two data sets of segmentation.py."""

import numpy as np

from tfcvae import datasets

NUM_IMAGES = (6000, 500, 1000)
NUM_REFERENCES = 16


class Shapes:
    """Images whose masks switch among 32 modes with known probabilities."""

    def __init__(self):
        self.parts = [datasets.ambiguous_shapes(n, seed=i) for i, n in enumerate(NUM_IMAGES)]
        self.arrays = [(p.images, p.objects, p.probabilities) for p in self.parts]

    def pair(self, images, objects, probabilities, seed):
        return images, datasets.draw_masks(objects, probabilities, seed)

    def known(self):
        test = self.parts[-1]
        modes, p = test.modes()
        law = test.objects, test.probabilities
        draws = np.stack([datasets.draw_masks(*law, 100 + i) for i in range(NUM_REFERENCES)])
        return {"references": draws, "modes": modes, "probabilities": p, "groups": test.groups}


class Garments:
    """Garments on cluttered grounds, partly hidden; the right mask is the whole garment."""

    def __init__(self):
        splits = datasets.occluded_garments(NUM_IMAGES)
        self.arrays = [tuple(split) for split in splits]

    def pair(self, images, masks, seed):
        return images, masks

    def known(self):
        return {}


DATA = {"shapes": Shapes, "garments": Garments}
