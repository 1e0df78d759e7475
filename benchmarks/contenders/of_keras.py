"""The way of Keras's own VAE example, a `train_step` of the model's: of_keras.py WORKLOAD."""

import sys

import keras
import of_tensorflow as by_hand
import sizes
import tensorflow as tf
from of_tfcvae import Turns


class Example(keras.Model):
    """A VAE with a `train_step`, as in "Variational AutoEncoder" on keras.io."""

    def __init__(self, workload):
        super().__init__()
        self.encoder, self.decoder = by_hand.networks(workload)
        names = ("loss", "reconstruction_loss", "kl_loss")
        self.trackers = [keras.metrics.Mean(name) for name in names]

    @property
    def metrics(self):
        return self.trackers

    def train_step(self, data):
        with tf.GradientTape() as tape:
            mean, scale = by_hand.normal(self.encoder(data))
            z = mean + scale * keras.random.normal(tf.shape(mean))
            reconstruction = by_hand.bits(self.decoder(z), data)
            kl = by_hand.kl((mean, scale), (0.0, 1.0))
            loss = reconstruction + kl
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights))
        for tracker, value in zip(self.trackers, (loss, reconstruction, kl)):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


def main():
    workload = sys.argv[1]
    model = Example(workload)
    model.compile(keras.optimizers.Adam())
    data = {"batch_size": sizes.BATCH, "epochs": 10**6, "verbose": 0, "callbacks": [Turns()]}
    model.fit(sizes.images(workload), **data)


if __name__ == "__main__":
    main()
