"""The tasks of `tfcvae train`: the data, the model and the pictures of each."""

import abc
import types

import numpy as np

from tfcvae import CVAE, VAE, datasets, layers, networks, plotting, priors

NUM_CLASSES = 10
DATA_SEEDS = {"validation": 1, "test": 2}
_PICTURED = 8


class Task(abc.ABC):
    """A data set, what a model of it is like, and what its pictures show.

    What is random in the data, such as pixels binarised by sampling, is drawn for training anew in
    every epoch, for validation and test once, with fixed seeds.

    Args:
        data: name of the data set.
        options: dict of the options of the run.
    """

    def __init__(self, data, options):
        self.options = types.SimpleNamespace(**options)
        arguments = () if data == "digits" else (self.options.data_dir,)
        self.splits = getattr(datasets, data)(*arguments)

    @abc.abstractmethod
    def prepare(self, *arrays, seed):
        """What a model is fitted to, x or `(x, y)`, of the arrays of a split."""

    @abc.abstractmethod
    def model(self, kl):
        """The model, not compiled, with `kl` as its regularizer."""

    @abc.abstractmethod
    def pictures(self, model):
        """The pictures of a trained model: a dict of figures by their names."""

    @abc.abstractmethod
    def sample(self, model, num_samples, seed):
        """A figure of draws from a model; `num_samples` may be `None` for the task's default."""

    def scores(self, model):
        """Scores of a trained model on the test split besides its likelihood: floats by name."""
        return {}

    def held_out(self, split):
        """The data of the validation or test split, as a tuple."""
        data = self.prepare(*getattr(self.splits, split), seed=DATA_SEEDS[split])
        return data if isinstance(data, tuple) else (data,)

    @property
    def image_shape(self):
        return self.splits.train.images.shape[1:]

    def _mlp(self, num_classes=None):
        units = [self.options.units] * 2
        return networks.mlp(units, activation="swish", num_classes=num_classes)

    def _prior(self, network=None):
        name, latents = self.options.prior, self.options.latents
        without_network = {"standard_normal": priors.StandardNormal, "vamp": priors.VampPrior}
        if name in without_network:
            return without_network[name](latents)
        constructors = {
            "normal": layers.IndependentNormal,
            "learned_normal": priors.LearnedNormal,
            "mixture": priors.GaussianMixture,
            "maf": priors.MAF,
            "iaf": priors.IAF,
            "realnvp": priors.RealNVP,
            "nsf": priors.NeuralSplineFlow,
        }
        return constructors[name](latents, network=network)


class Unconditional(Task):
    """Images without anything given."""

    def prepare(self, images, labels, *, seed):
        return datasets.binarize(images, seed=seed)

    def model(self, kl):
        return VAE(
            layers.IndependentNormal(self.options.latents, network=self._mlp()),
            layers.IndependentBernoulli(self.image_shape, network=self._mlp()),
            prior=self._prior(),
            regularizers=[kl],
        )

    def pictures(self, model):
        (x,) = self.held_out("test")
        figures = {
            "reconstructions": plotting.reconstructions(x[:10], model.reconstruct(x[:10])),
            "samples": self.sample(model, None, self.options.seed),
        }
        if self.options.latents == 2:
            z = layers.center(model.encode(x))
            figures["latent"] = plotting.latent_scatter(z, self.splits.test.labels)
        return figures

    def sample(self, model, num_samples, seed):
        return plotting.samples(model.sample(num_samples or 64, seed=seed, mean=True))


class ClassConditional(Task):
    """Images given their labels."""

    def prepare(self, images, labels, *, seed):
        return labels, datasets.binarize(images, seed=seed)

    def model(self, kl):
        return CVAE(
            layers.IndependentNormal(self.options.latents, network=self._mlp(NUM_CLASSES)),
            self._prior(self._mlp(NUM_CLASSES)),
            layers.IndependentBernoulli(self.image_shape, network=self._mlp(NUM_CLASSES)),
            regularizers=[kl],
        )

    def pictures(self, model):
        return {"samples": self.sample(model, None, self.options.seed)}

    def sample(self, model, num_samples, seed):
        labels = np.arange(NUM_CLASSES, dtype="int32")
        images = np.array(model.sample(labels, num_samples or _PICTURED, seed=seed, mean=True))
        rows = np.moveaxis(images, 0, 1).reshape(-1, *self.image_shape)
        return plotting.samples(rows, num_columns=len(images))


class Quadrants(Task):
    """The hidden quadrants of images given the others, with a deterministic network's guess."""

    def prepare(self, images, labels, *, seed):
        binary = datasets.binarize(images, seed=seed)
        return datasets.quadrants(binary, self.options.observed)

    def model(self, kl):
        hidden = (4 - self.options.observed) * self.splits.train.images[0].size // 4
        return CVAE(
            layers.IndependentNormal(self.options.latents, network=self._mlp()),
            self._prior(self._mlp()),
            layers.IndependentBernoulli((hidden,), network=self._mlp()),
            baseline=layers.IndependentBernoulli((hidden,), network=self._mlp()),
            regularizers=[kl],
        )

    def pictures(self, model):
        return {"completions": self.sample(model, None, self.options.seed)}

    def sample(self, model, num_samples, seed):
        x, y = (array[:_PICTURED] for array in self.held_out("test"))
        guesses = np.array(model.sample(x, num_samples or 6, seed=seed, mean=True))
        images, truth = (datasets.complete(x, z, self.options.observed) for z in (guesses, y))
        return plotting.completions(x, images, truth, num_images=_PICTURED)
