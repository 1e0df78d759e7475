"""Epochs of Pythae's trainer: of_pythae.py WORKLOAD."""

import logging
import sys
import tempfile
import time

import of_torch as by_hand
import sizes
import torch
import turns
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback


class Encoder(BaseEncoder):
    """From images to the mean and the log-variance."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        mean, log_variance = self.network(x).chunk(2, -1)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class Decoder(BaseDecoder):
    """From z to the probabilities of the pixels."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, z):
        return ModelOutput(reconstruction=torch.sigmoid(self.network(z)))


class Turns(TrainingCallback):
    """One epoch a turn."""

    def on_epoch_begin(self, training_config, **kwargs):
        turns.wait() if kwargs["epoch"] > 1 else turns.ready()
        self._start = time.perf_counter()

    def on_epoch_end(self, training_config, **kwargs):
        turns.done(time.perf_counter() - self._start)


def vae(workload):
    """Pythae's VAE with the networks of a workload."""
    shape = (1, 28, 28) if workload == "conv" else (sizes.PIXELS,)
    encoder, decoder = by_hand.networks(workload)
    config = VAEConfig(input_dim=shape, latent_dim=sizes.LATENTS, reconstruction_loss="bce")
    return VAE(config, Encoder(encoder), Decoder(decoder))


def main():
    workload = sys.argv[1]
    logging.disable()
    x = torch.from_numpy(sizes.images(workload))
    if workload == "conv":
        x = x.permute(0, 3, 1, 2).contiguous()
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=sizes.BATCH,
            num_epochs=10**6,
            learning_rate=1e-3,
        )
        data = BaseDataset(x, torch.zeros(len(x)))
        BaseTrainer(vae(workload), data, training_config=config, callbacks=[Turns()]).train()


if __name__ == "__main__":
    main()
