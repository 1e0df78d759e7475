"""Makes the trained models that the lessons load, each with a model card.

    python saved_models/make.py [NAME ...]      trains the named models, or all that are missing

A model is a directory with `model.keras`, without the state of its optimizer, and
`model_card.json`: the command that trained it, its scores in nats, data and versions. The same
command on the same machine and versions gives the same scores.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import keras

import tfcvae  # noqa: F401, so that its classes can be loaded

FOLDER = Path(__file__).parent
PRIORS = ("standard_normal", "learned_normal", "mixture", "vamp", "maf", "iaf", "realnvp", "nsf")
MODELS = {
    "completion": "quadrants --data digits --prior realnvp --seed 0",
    "segmentation": "segmentation --data shapes --prior realnvp --seed 0",
    **{
        f"vae-{prior.replace('_', '-')}": f"vae --data digits --units 128 --prior {prior} --seed 0"
        for prior in PRIORS
    },
}


def make(name):
    """Trains one model by the command line and keeps the model and what is known about it."""
    options = MODELS[name].split()
    with tempfile.TemporaryDirectory() as run:
        command = [sys.executable, "-m", "tfcvae", "train", *options, "--output", f"{run}/run"]
        subprocess.run(command, check=True)
        model = keras.saving.load_model(f"{run}/run/model.keras", compile=False)
        record = json.loads(Path(run, "run", "metrics.json").read_text())
    folder = FOLDER / name
    folder.mkdir(exist_ok=True)
    model.save(folder / "model.keras")
    kept = ("task", "data", "date", "versions", "epochs_run", "best_epoch", "results")
    card = {"command": f"tfcvae train {MODELS[name]}", **{key: record[key] for key in kept}}
    (folder / "model_card.json").write_text(json.dumps(card, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="models; those that are missing if none is named")
    names = parser.parse_args().names
    if unknown := set(names) - set(MODELS):
        parser.error(f"there is no model {', '.join(sorted(unknown))}")
    for name in names or [n for n in MODELS if not (FOLDER / n / "model_card.json").exists()]:
        make(name)


if __name__ == "__main__":
    main()
