import importlib.util
import json
import os
import shutil
import subprocess
import sys

import keras
import matplotlib.image
import numpy as np
import pytest
from click.testing import CliRunner

from tfcvae import cluster, datasets, layers, plotting, priors, regularizers
from tfcvae.callbacks import NaNGuard
from tfcvae.cli import main, segmentation, tasks

pytestmark = pytest.mark.xdist_group("cli")

TINY = ["--units", "16", "--latents", "2", "--num-samples", "2", "--warm-up", "1"]
COMMANDS = {
    "vae": ["train", "vae", *TINY, "--epochs", "2", "--prior", "Learned_Normal"],
    "labels": ["train", "labels", *TINY, "--epochs", "1"],
    "quadrants": ["train", "quadrants", *TINY, "--epochs", "2", "--observed", "2", "--seed", "3"],
    "segmentation": ["train", "segmentation", *TINY, "--units", "2", "--epochs", "1"],
}
PICTURES = {
    "vae": ["history", "latent", "reconstructions", "samples"],
    "labels": ["history", "samples"],
    "quadrants": ["completions", "history"],
    "segmentation": ["history", "segmentations"],
}


@pytest.fixture(scope="module", autouse=True)
def few_images():
    """Segmentation on so few images that a run takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segmentation, "_NUM_IMAGES", (64, 20, 20))
        yield


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def check_error(result, code, *parts):
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr


def read_metrics(directory):
    return json.loads((directory / "metrics.json").read_text())


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """The directory and the printed text of a tiny run of each task, made when first asked for."""
    done = {}

    def get(task):
        if task not in done:
            output = tmp_path_factory.mktemp("runs") / task
            result = run(*COMMANDS[task], "--output", output)
            assert result.exit_code == 0, result.output
            done[task] = output, result
        return done[task]

    return get


@pytest.fixture
def vae_copy(runs, tmp_path):
    return shutil.copytree(runs("vae")[0], tmp_path / "copy")


@pytest.mark.parametrize("task", COMMANDS)
def test_train_writes_a_run(runs, task):
    directory, result = runs(task)
    names = {"model.keras", "metrics.json", *(f"{name}.png" for name in PICTURES[task])}
    assert {path.name for path in directory.iterdir()} == names
    assert all(str(directory / name) in result.stdout for name in names)
    assert "Negative log-likelihood" in result.stdout
    metrics = read_metrics(directory)
    data = "shapes" if task == "segmentation" else "digits"
    assert (metrics["task"], metrics["data"], metrics["finished"]) == (task, data, True)
    assert metrics["interrupted"] is False
    assert metrics["epochs_run"] == metrics["options"]["epochs"]
    assert metrics["seeds"]["training"] == metrics["options"]["seed"]
    assert metrics["command"].startswith(f"tfcvae train {task} --units 16")
    assert {"python", "tfcvae", "keras", "numpy", "tensorflow"} < set(metrics["versions"])
    assert metrics["cores"] == os.cpu_count()
    curve = metrics["history"]["val_elbo"]
    assert metrics["best_epoch"] == 1 + np.argmax(curve)
    assert metrics["best_validation_elbo"] == max(curve)


@pytest.mark.parametrize("task", COMMANDS)
def test_results_are_log_likelihoods_in_nats(runs, task):
    directory, result = runs(task)
    results = read_metrics(directory)["results"]
    names = ["elbo", "monte_carlo", "importance"] + ["baseline"] * (task == "quadrants")
    pixels = {"quadrants": 32, "segmentation": 32 * 32}.get(task, 64)
    for name in names:
        assert -pixels * np.log(2) * 1.1 < results[name]["mean"] < -5
        assert 0.001 < results[name]["standard_error"] < pixels / 64
        assert f"{-results[name]['mean']:.3f}" in result.stdout
    assert ("baseline" in results) == ("baseline NN" in result.stdout) == (task == "quadrants")


def test_segmentation_is_scored_by_its_masks(runs):
    directory, result = runs("segmentation")
    scores = read_metrics(directory)["results"]["scores"]
    for name in ("pixel_accuracy", "iou", "sampled_iou", "matched_iou", "diversity"):
        assert 0 <= scores[name] <= 1
        assert f"{name.replace('_', ' ')} " in result.stdout
    assert 0 < scores["mode_total_variation"] <= 1
    assert scores["num_samples"] == 16


def test_segmentation_of_garments(monkeypatch):
    """Without the files of Fashion-MNIST: scores and pictures of a model that is not trained."""
    rng = np.random.default_rng(0)
    part = (rng.uniform(size=(7, 32, 32, 1)), rng.integers(0, 2, (7, 32, 32, 1)))
    part = datasets.Segmentation(*(array.astype("float32") for array in part))
    splits = datasets.Splits(part, part, part)
    monkeypatch.setattr(datasets, "occluded_garments", lambda *args, **kwargs: splits)
    options = {"prior": "normal", "latents": 2, "units": 2, "data_dir": None, "seed": 0}
    task = segmentation.Segmentation("garments", options)
    model = task.model(regularizers.KL())
    assert np.isfinite(task.scores(model)["generalized_energy_distance"])
    assert len(task.sample(model, 2, seed=0).axes) == 6 * 5


@pytest.mark.parametrize(
    "task, method", [("vae", "monte_carlo"), ("labels", "importance"), ("quadrants", "importance")]
)
def test_evaluate_repeats_the_figures_of_training(runs, task, method):
    directory = runs(task)[0]
    metrics = read_metrics(directory)
    seed = metrics["options"]["seed"]
    arguments = ["--num-samples", 2, "--seed", seed, "--method", method, "--json"]
    result = run("evaluate", directory, *arguments)
    assert result.exit_code == 0, result.output
    estimate = json.loads(result.stdout)
    expected = metrics["results"][method]
    assert estimate["mean"] == pytest.approx(expected["mean"], abs=1e-4)
    assert estimate["standard_error"] == pytest.approx(expected["standard_error"], abs=1e-4)
    assert (estimate["unit"], estimate["num_images"]) == ("nats", 300)


def test_evaluate_takes_the_split_and_the_seed(runs):
    directory = runs("vae")[0]
    base = ["evaluate", directory, "--num-samples", 2]
    text = run(*base).stdout
    mean = read_metrics(directory)["results"]["importance"]["mean"]
    assert f"mean {mean:.3f} nats, standard error 0." in text
    for more in (["--split", "validation"], ["--seed", 1]):
        assert abs(json.loads(run(*base, *more, "--json").stdout)["mean"] - mean) > 1e-6


@pytest.mark.parametrize(
    "task, num_axes",
    [("vae", 2), ("labels", 20), ("quadrants", 8 * (2 + 2)), ("segmentation", 6 * (2 + 3 + 2))],
    ids=COMMANDS,
)
def test_sample_draws_a_picture(runs, tmp_path, monkeypatch, task, num_axes):
    directory = runs(task)[0]
    figures = []
    save = plotting.save
    monkeypatch.setattr(
        plotting, "save", lambda figure, path: figures.append(figure) or save(figure, path)
    )
    pictures = [tmp_path / f"{i}.png" for i in range(3)]
    for path, seed in zip(pictures, (0, 0, 1)):
        arguments = ["--num-samples", 2, "--seed", seed, "--output", path]
        result = run("sample", directory, *arguments)
        assert result.exit_code == 0, result.output
        assert result.stdout == f"{path}\n"
    assert len(figures[0].axes) == num_axes
    assert matplotlib.image.imread(pictures[0]).ndim == 3
    first, again, other = (path.read_bytes() for path in pictures)
    assert first == again != other


def test_sample_writes_to_the_run_by_default(vae_copy):
    assert run("sample", vae_copy, "--seed", 5).exit_code == 0
    assert (vae_copy / "samples-seed5.png").is_file()


def test_samples_of_labels_have_one_row_per_label(runs):
    directory = runs("labels")[0]
    task = tasks.ClassConditional("digits", read_metrics(directory)["options"])
    model = keras.saving.load_model(directory / "model.keras")
    figure = task.sample(model, 3, seed=0)
    labels = np.arange(10, dtype="int32")
    expected = np.array(model.sample(labels, 3, seed=0, mean=True))
    for i, axis in enumerate(figure.axes):
        np.testing.assert_allclose(
            np.array(axis.images[0].get_array()), expected[i % 3, i // 3, :, :, 0]
        )


def test_export_writes_the_next_version(runs, tmp_path):
    (tmp_path / "exported" / "1").mkdir(parents=True)
    result = run("export", runs("labels")[0], tmp_path / "exported")
    assert result.exit_code == 0, result.output
    path, signatures = result.stdout.splitlines()
    assert path == str(tmp_path / "exported" / "2")
    assert (tmp_path / "exported" / "2" / "saved_model.pb").is_file()
    assert {"predict", "generate", "log_prob"} < set(signatures.split(": ")[1].split(", "))


@pytest.mark.parametrize(
    "name, conditional, kind",
    [
        ("standard_normal", True, priors.StandardNormal),
        ("normal", True, layers.IndependentNormal),
        *(
            (name, conditional, kind)
            for name, kind in (
                ("learned_normal", priors.LearnedNormal),
                ("mixture", priors.GaussianMixture),
                ("maf", priors.MAF),
                ("iaf", priors.IAF),
                ("realnvp", priors.RealNVP),
                ("nsf", priors.NeuralSplineFlow),
            )
            for conditional in (True, False)
        ),
        ("standard_normal", False, priors.StandardNormal),
        ("vamp", False, priors.VampPrior),
        ("vamp", True, priors.VampPrior),
    ],
)
def test_priors(name, conditional, kind):
    options = {"prior": name, "latents": 3, "units": 4, "observed": 1}
    for constructor in (
        [tasks.ClassConditional, tasks.Quadrants] if conditional else [tasks.Unconditional]
    ):
        task = constructor("digits", options)
        model = task.model(regularizers.KL())
        data = task.held_out("test")
        model.build((None, *data[0].shape[1:]))
        assert type(model.prior) is kind
        has_network = conditional and name not in ("standard_normal", "vamp")
        assert (getattr(model.prior, "network", None) is not None) == has_network
        assert np.isfinite(model.elbo(*(array[:2] for array in data))).all()


def test_held_out_pixels_are_binary_and_fixed():
    task = tasks.Unconditional("digits", {})
    (test,), (again,), (validation,) = map(task.held_out, ("test", "test", "validation"))
    assert set(np.unique(test)) == {0.0, 1.0}
    np.testing.assert_array_equal(test, again)
    assert not np.array_equal(test, validation)


@pytest.mark.parametrize(
    "arguments, part",
    [
        (["train"], "Missing argument"),
        (["train", "gan"], "'gan'"),
        (["train", "vae", "--data", "cifar"], "'cifar'"),
        (["train", "vae", "--prior", "flow"], "'flow'"),
        (["train", "vae", "--prior", "normal"], "'--prior'"),
        (["train", "vae", "--epochs", "0"], "'--epochs'"),
        (["train", "vae", "--epochs", "few"], "'few'"),
        (["train", "vae", "--units", "-3"], "'--units'"),
        (["train", "vae", "--latents", "0"], "'--latents'"),
        (["train", "vae", "--batch-size", "0"], "'--batch-size'"),
        (["train", "vae", "--warm-up", "-1"], "'--warm-up'"),
        (["train", "vae", "--seed", "-1"], "'--seed'"),
        (["train", "vae", "--seed", str(2**31)], "'--seed'"),
        (["train", "vae", "--num-samples", "0"], "'--num-samples'"),
        (["train", "vae", "--learning-rate", "0"], "'--learning-rate'"),
        (["train", "vae", "--learning-rate", "nan"], "'--learning-rate'"),
        (["train", "vae", "--learning-rate", "inf"], "'--learning-rate'"),
        (["train", "vae", "--observed", "1"], "'--observed'"),
        (["train", "quadrants", "--observed", "4"], "'--observed'"),
        (["train", "vae", "--data-dir", "."], "'--data-dir'"),
        (["train", "vae", "--data", "shapes"], "'--data'"),
        (["train", "segmentation", "--data", "digits"], "'--data'"),
        (["train", "segmentation", "--data-dir", "."], "'--data-dir'"),
        (["train", "segmentation", "--observed", "1"], "'--observed'"),
        (["train", "vae", "--data", "mnist", "--data-dir", "nowhere"], "'nowhere'"),
        (["train", "vae", "--data", "mnist", "--data-dir", "."], "train-images-idx3-ubyte"),
        (["train", "vae", "--prior", "realnvp", "--latents", "1"], "at least 2"),
        (["train", "vae", "--colour"], "--colour"),
        (["play"], "'play'"),
        (["evaluate"], "Missing argument"),
        (["evaluate", "nowhere"], "'nowhere'"),
        (["evaluate", "."], "not a run"),
        (["evaluate", ".", "--split", "train"], "'train'"),
        (["evaluate", ".", "--method", "elbo"], "'elbo'"),
        (["sample", "nowhere"], "'nowhere'"),
        (["sample", "."], "not a run"),
        (["sample", ".", "--num-samples", "0"], "'--num-samples'"),
        (["sample", ".", "--output", "picture.txt"], "picture.txt"),
        (["export", ".", "exported"], "not a run"),
        (["export", "nowhere", "exported"], "'nowhere'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_bad_arguments_are_one_line(tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    check_error(result, 2, part)
    assert result.stdout == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damaged", ["metrics.json", "model.keras"])
def test_a_damaged_run_is_one_line(vae_copy, damaged):
    path = vae_copy / damaged
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    check_error(run("evaluate", vae_copy), 2, damaged)
    path.unlink()
    check_error(run("evaluate", vae_copy), 2, f"has no {damaged}")


def test_tensorboard_must_be_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = run("train", "vae", "--tensorboard", "--output", tmp_path / "run")
    check_error(result, 2, "pip install tensorboard")


def test_tensorboard_logs_lie_in_the_run(tmp_path):
    pytest.importorskip("tensorboard")
    result = run(*COMMANDS["labels"], "--tensorboard", "--output", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert list(tmp_path.glob("run/logs/*/events*"))


def test_a_directory_in_use_is_not_overwritten(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    check_error(run(*COMMANDS["vae"], "--output", tmp_path), 2, "--overwrite", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    check_error(run("train", "vae", "--output", tmp_path / "notes.txt", "--overwrite"), 2)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_overwrite_gives_the_same_run_again(vae_copy):
    before = read_metrics(vae_copy)
    (vae_copy / "model.keras").write_bytes(b"old")
    (vae_copy / "completions.png").write_bytes(b"of another task")
    (vae_copy / "notes.txt").write_text("mine")
    result = run(*COMMANDS["vae"], "--output", vae_copy, "--overwrite")
    assert result.exit_code == 0, result.output
    after = read_metrics(vae_copy)
    for name in ("elbo", "importance"):
        assert after["results"][name]["mean"] == pytest.approx(
            before["results"][name]["mean"], abs=1e-3
        )
    assert (vae_copy / "model.keras").stat().st_size > 1000
    assert not (vae_copy / "completions.png").exists()
    assert (vae_copy / "notes.txt").read_text() == "mine"


def test_what_cannot_be_resumed_is_one_line(vae_copy, tmp_path):
    finished = [*COMMANDS["vae"], "--output", vae_copy, "--resume"]
    check_error(run(*finished), 2, "is finished: there is nothing to resume")
    check_error(run(*finished, "--overwrite"), 2, "exclude each other")
    metrics = read_metrics(vae_copy)
    (vae_copy / "metrics.json").write_text(json.dumps({**metrics, "finished": False}))
    check_error(run(*finished, "--epochs", "9"), 2, "same options: epochs was 2. Received: 9")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    check_error(run(*COMMANDS["vae"], "--output", foreign, "--resume"), 2, "holds no run")
    assert [path.name for path in foreign.iterdir()] == ["notes.txt"]


@pytest.fixture
def interrupt(monkeypatch):
    """Makes the start of an epoch raise what Ctrl-C raises."""

    def at(interrupted_epoch):
        on_epoch_begin = NaNGuard.on_epoch_begin

        def interrupted(self, epoch, logs=None):
            if epoch + 1 == interrupted_epoch:
                raise KeyboardInterrupt
            on_epoch_begin(self, epoch, logs)

        monkeypatch.setattr(NaNGuard, "on_epoch_begin", interrupted)

    return at


def test_control_c_keeps_the_best_checkpoint(tmp_path, interrupt):
    interrupt(2)
    output = tmp_path / "run"
    result = run(*COMMANDS["vae"], "--output", output)
    assert result.exit_code == 130, result.output
    assert str(output / "model.keras") in result.stdout
    kept = {"model.keras", "metrics.json", "backup.npz"}
    assert {path.name for path in output.iterdir()} == kept
    assert "with --resume instead of --overwrite, goes on" in result.stdout
    metrics = read_metrics(output)
    assert metrics["interrupted"] is True
    assert metrics["finished"] is False
    assert (metrics["epochs_run"], metrics["best_epoch"]) == (1, 1)
    estimate = run("evaluate", output, "--num-samples", 2, "--json")
    assert np.isfinite(json.loads(estimate.stdout)["mean"])


def test_control_c_before_the_first_checkpoint_leaves_the_earlier_run(vae_copy, interrupt):
    interrupt(1)
    before = {path.name: path.read_bytes() for path in vae_copy.iterdir()}
    result = run(*COMMANDS["labels"], "--output", vae_copy, "--overwrite")
    assert result.exit_code == 130, result.output
    assert "no new checkpoint" in result.stdout
    assert {path.name: path.read_bytes() for path in vae_copy.iterdir()} == before


def test_control_c_in_the_estimates_keeps_the_run(tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("tfcvae.evaluation.log_likelihood", interrupted)
    result = run(*COMMANDS["labels"], "--output", tmp_path / "run")
    assert result.exit_code == 130, result.output
    metrics = read_metrics(tmp_path / "run")
    assert metrics["interrupted"] is True
    assert "elbo" in metrics["results"]
    assert (tmp_path / "run" / "model.keras").is_file()


def test_nan_is_one_line(tmp_path):
    result = run(*COMMANDS["vae"], "--learning-rate", 1e30, "--output", tmp_path / "run")
    check_error(result, 1, "Training stopped", "became")
    assert "Training stopped" in read_metrics(tmp_path / "run")["error"]


@pytest.mark.parametrize("command", [[], ["train"], ["evaluate"], ["sample"], ["export"]])
def test_help_imports_nothing_heavy(command):
    process = subprocess.run(
        [sys.executable, "-m", "tfcvae", *command, "--help"],
        env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.startswith(" ".join(["Usage: tfcvae", *command]))
    imported = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert "tfcvae.cli" in imported
    assert not {"tensorflow", "keras", "numpy", "matplotlib", "sklearn"} & imported


def test_no_command_shows_the_help():
    assert run().stdout == run("--help").stdout


@pytest.mark.parametrize("index", [0, "0"])
def test_the_first_worker_is_the_chief(monkeypatch, index):
    task = {"type": "worker", "index": index}
    config = {"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task": task}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert cluster.is_chief() and cluster.is_present()
    monkeypatch.setenv("TF_CONFIG", json.dumps({**config, "task": {**task, "index": "1"}}))
    assert not cluster.is_chief()


@pytest.mark.parametrize("text", ["{", "[]", '{"task": {"index": "first"}}'])
def test_a_broken_cluster_is_one_line(monkeypatch, tmp_path, text):
    monkeypatch.setenv("TF_CONFIG", text)
    result = run("train", "vae", "--distribute", "--output", tmp_path / "run")
    check_error(result, 2, "TF_CONFIG")
