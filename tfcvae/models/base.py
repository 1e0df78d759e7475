"""What `VAE` and `CVAE` share: the objective, its terms, and estimates of the likelihood."""

import abc

import keras
import tensorflow as tf

from tfcvae import pipeline, replicas, seeds, shapes
from tfcvae.callbacks import NaNGuard, WarmUpCheck
from tfcvae.models import checks, data_checks, estimates, execution, loop
from tfcvae.models.objective import elbo_terms
from tfcvae.regularizers import KL
from tfcvae.weights import weight_kl


class LatentVariableModel(keras.Model, abc.ABC):
    """A posterior, a prior and a likelihood over latent variables, trained on the negative ELBO.

    A subclass says in `_parts` how the three follow from a batch. Every term of the loss goes
    through `add_loss` in `compute_loss`; Keras does the rest, so that `compile`, `fit`, callbacks
    and strategies are Keras's own.
    """

    alpha = 1.0

    def __init__(self, regularizers, num_samples, importance_weighted, seed, **kwargs):
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        self.regularizers = checks.check_regularizers(
            [KL()] if regularizers is None else regularizers, importance_weighted
        )
        self.num_samples = shapes.check_positive_int(num_samples, "num_samples")
        self.importance_weighted = bool(importance_weighted)
        self.seed = seeds.base_seed(seed)

    @abc.abstractmethod
    def _parts(self, x, y, training):
        """Returns the `Parts` of a batch."""

    @abc.abstractmethod
    def _check_shapes(self, x, y, prefix):
        """Raises a `ValueError` if the shapes of a batch, or of its specs, do not fit the model."""

    @abc.abstractmethod
    def _check_batch(self, x, y, prefix):
        """Raises a `ValueError` if a batch of data does not fit the model."""

    def compile(
        self, optimizer="adam", loss=None, steps_per_execution="auto", jit_compile="auto", **kwargs
    ):
        """Keras's `compile`, with Adam as default and without `loss`, which is the model's own.

        On one device, "auto" lets `fit` run several steps at a time if no callback acts on single
        batches, and compile long trainings of networks without convolutions by XLA. Neither
        changes what is learned; under XLA a seed gives other noise.
        """
        if loss is not None:
            raise ValueError(
                "Argument `loss` must be None: the loss is the negative ELBO with the model's "
                f"regularizers, under the likelihood of its decoder. Received: loss={loss}"
            )
        optimizer = keras.optimizers.get(optimizer)
        half = keras.config.dtype_policy().name == "mixed_float16"
        if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        settings = {"steps_per_execution": steps_per_execution, "jit_compile": jit_compile}
        self._left_open = tuple(name for name, value in settings.items() if value == "auto")
        settings["steps_per_execution"] = (
            1 if steps_per_execution == "auto" else steps_per_execution
        )
        replicas.check_settings(self.distribute_strategy, **settings)
        super().compile(optimizer=optimizer, **settings, **kwargs)
        self._train_settings = self.steps_per_execution, self.jit_compile

    def get_compile_config(self):
        """What `compile` received, with "auto" where it is left open."""
        config = super().get_compile_config()
        return config and {**config, **dict.fromkeys(self._left_open, "auto")}

    def compile_from_config(self, config):
        """Compiles a loaded model as it was compiled when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kw):
        """Keras's `fit`, after a check of the first batch, and stopped by the first NaN.

        Raises:
            ValueError: if the data do not fit the model, before the first training step.
            FloatingPointError: if a term becomes NaN or infinite; the model then has the weights
                of the start of that epoch.
        """
        shape = data_checks.check_data(self, x, y, kw.get("sample_weight"), batch_size)
        held_out = data_checks.check_validation_data(self, kw.get("validation_data"), batch_size)
        kw["validation_data"] = held_out
        y = data_checks.weighted_target(x, y, kw.get("sample_weight"))
        replicas.check_first_batch(self.distribute_strategy, x, shape)
        if shape is not None:
            self._ensure_built(shape)
        if isinstance(x, tf.data.Dataset):
            kw.setdefault("shuffle", False)
        own, guarded = getattr(callbacks, "callbacks", None), callbacks
        if own is None:
            own = keras.tree.flatten(callbacks or [])
            guarded = [*own, NaNGuard(), WarmUpCheck()]
        steps = kw.get("steps_per_epoch")
        total = execution.total_steps(x, batch_size, epochs, steps)
        if execution.is_one_device(self):
            x, y, batch_size, kw = pipeline.of_fit(x, y, batch_size, kw)
        with execution.settled(self, own, total, steps, kw.get("validation_steps")):
            return super().fit(x, y, batch_size, epochs, verbose, guarded, **kw)

    def make_train_function(self, force=False):
        """Keras's `make_train_function`, compiled if `fit` decided so."""
        if self.train_function is not None and not force:
            return
        with execution.compiled(self):
            super().make_train_function(force)
            if execution.is_one_program(self):
                self.train_function = loop.make(self, self.train_function)

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, **kw):
        """Keras's `evaluate`, after a check of the first batch."""
        if not kw.get("_use_cached_eval_dataset"):
            data_checks.check_data(self, x, y, sample_weight, batch_size)
            y = data_checks.weighted_target(x, y, sample_weight)
            arrays = pipeline.are_arrays(x, y, sample_weight) and not kw.get("steps")
            if arrays and execution.is_one_device(self):
                x = pipeline.batches(x, y, sample_weight, batch_size)
                y = sample_weight = batch_size = None
        return super().evaluate(x, y, batch_size, verbose, sample_weight, **kw)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Adds every term of the objective and updates its metric; Keras sums what was added."""
        optimizer = getattr(self, "optimizer", None)
        step = tf.zeros((), tf.int64) if optimizer is None else optimizer.iterations
        shared_seed = self._noise_seed(optimizer, training)
        seed = replicas.own_seed(shared_seed)
        with seeds.weight_noise(shared_seed):
            kl_weights = weight_kl(self.trainable_variables)
        noise = seeds.weight_noise(shared_seed if training else None)
        with noise, seeds.estimate_noise(seed):
            parts = self._parts(x, y, training)
            rows = tf.shape(parts.target)[0]
            if kl_weights is not None:
                self._trackers["kl_weights"].update_state(kl_weights, sample_weight=rows)
                if training:
                    parts = parts._replace(kl_weights=kl_weights)
            if sample_weight is not None:
                sample_weight = tf.reshape(sample_weight, [rows])
            values = {}
            for name, value, loss in self._terms(parts, sample_weight, step, seed):
                values[name] = value
                if loss is not None:
                    self.add_loss(loss)
                self._trackers[name].update_state(value, sample_weight=rows)
        # Replicas share the list of losses, and wait for each other only from here on.
        with seeds.weight_noise(shared_seed):
            loss = super().compute_loss(x=x, training=training)
        if not training:
            return loss
        for regularizer in self.regularizers:
            if hasattr(regularizer, "update"):
                regularizer.update(values["reconstruction"], rows)
        return replicas.weigh_by_rows(loss, rows)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Keras's `compute_metrics`, in the form in which Keras can join those of many workers."""
        logs = super().compute_metrics(x, y, y_pred, sample_weight)
        if not replicas.is_multi_worker():
            return logs
        return {name: tf.reshape(value, [1]) for name, value in logs.items()}

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras averages the first batch over the replicas, which fails for a tuple of several
        # workers' tensors; it needs the shapes alone.
        strategy = self.distribute_strategy
        if iterator is not None and replicas.is_multi_worker(strategy):
            data_batch, iterator = replicas.first_local_batch(strategy, iterator), None
        super()._maybe_symbolic_build(iterator, data_batch)

    def _terms(self, parts, sample_weight, step, seed):
        """Yields each term's name, its unweighted value, and what it adds to the loss or `None`."""
        return elbo_terms(self, parts, sample_weight, step, seed)

    @property
    def term_names(self):
        """The names of the terms of the objective, as they are logged."""
        return tuple(self._trackers)

    def _finish_build(self):
        """Builds and tracks the state of regularizers, and tracks the KL of random weights."""
        stateful = [r for r in self.regularizers if hasattr(r, "build")]
        for regularizer in stateful:
            regularizer.build()
        self._regularizer_state = [v for r in stateful for v in r.variables]
        if weight_kl(self.weights) is not None:
            self._trackers["kl_weights"] = keras.metrics.Mean("kl_weights", dtype="float32")

    def _create_trackers(self, extra=()):
        names = []
        if self.alpha > 0:
            names += ["reconstruction", *(r.name for r in self.regularizers), "kl"]
            names += ["importance_bound"] * self.importance_weighted + ["elbo"]
        names += extra
        self._trackers = {name: keras.metrics.Mean(name, dtype="float32") for name in names}

    def _noise_seed(self, optimizer, training):
        """A function of the base seed and the batches so far; in evaluation, of the rows so far.

        Batches, not the optimizer's `iterations`: several make one if it accumulates gradients.
        """
        seed = tf.constant([0, self.seed], tf.int32)
        if not training:
            seen = next(iter(self._trackers.values())).count
            return seeds.fold_in(seeds.fold_in(seed, -1), tf.convert_to_tensor(seen))
        if optimizer is None:
            return seeds.fold_in(seed, 0)
        batches, *_ = getattr(optimizer, "inner_optimizer", optimizer).variables
        return seeds.fold_in(seed, tf.convert_to_tensor(batches))

    def latent_distributions(self, x, y=None):
        """The posterior and the prior of the latent variables of a batch of data.

        Raises:
            ValueError: if the data do not fit the model, or it has no recognition network.
        """
        parts = self._checked_parts(x, y)
        if parts.posterior is None:
            raise ValueError(
                "The latent variables have a posterior where a recognition network is trained. "
                f"Received: a model with alpha={self.alpha}"
            )
        return parts.posterior, parts.prior

    def _elbo(self, x, y, num_samples, seed):
        shapes.check_positive_int(num_samples, "num_samples")
        return estimates.elbo(self._checked_parts(x, y), num_samples, seeds.as_seed(seed))

    def _log_prob(self, x, y, num_samples, method, seed):
        checks.check_num_samples(num_samples)
        checks.check_method(method)
        parts = self._checked_parts(x, y)
        return estimates.log_prob(parts, num_samples, method, seeds.as_seed(seed))

    def _checked_parts(self, x, y):
        x = tf.convert_to_tensor(x)
        y = None if y is None else tf.convert_to_tensor(y)
        self._check_shapes(x, y, "")
        self._ensure_built(x.shape)
        return self._parts(x, y, training=False)

    def _ensure_built(self, shape):
        if not self.built:
            with self.distribute_strategy.scope():
                self.build((None, *shape[1:]))

    def get_config(self):
        return {
            **super().get_config(),
            "regularizers": [keras.saving.serialize_keras_object(r) for r in self.regularizers],
            "num_samples": self.num_samples,
            "importance_weighted": self.importance_weighted,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{k: _deserialize(value) for k, value in config.items()})


def _deserialize(value):
    if isinstance(value, list):
        return [_deserialize(item) for item in value]
    is_object = isinstance(value, dict) and "class_name" in value
    return keras.saving.deserialize_keras_object(value) if is_object else value
