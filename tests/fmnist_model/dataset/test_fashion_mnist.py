"""The data is found, checked, cached and split as the paper split it."""

from __future__ import annotations

import shutil
import timeit
from pathlib import Path

import numpy as np
import pytest

from fmnist_model.dataset import fashion_mnist
from fmnist_model.dataset.fashion_mnist import load_train, split
from fmnist_model.dataset.formats import DataError
from tests.conftest import DATA, PATHS, run_examples


def test_the_original_is_recognised(everything):
    said: list[str] = []
    assert load_train(DATA, said.append, PATHS.data).sha256 == everything.sha256
    assert not any("not the original" in line for line in said)
    assert (len(everything), np.bincount(everything.labels).tolist()) == (60_000, [6000] * 10)


def test_other_images_are_welcome_with_a_warning(custom_data):
    said: list[str] = []
    assert len(load_train(custom_data, said.append)) == 2000
    assert "not the original Fashion-MNIST" in said[-1]


@pytest.mark.parametrize("function", [load_train, split])
def test_the_examples_run(custom_data, function):
    assert run_examples(function)


def test_without_a_data_home_nothing_is_kept(custom_data, project):
    said: list[str] = []
    for _ in range(2):
        load_train(custom_data, said.append)
    assert sum("decoding" in line for line in said) == 2
    assert not Path("data").exists()


def test_a_program_has_to_say_where_the_data_is(project):
    with pytest.raises(DataError, match="pass the directory of its files, or a data_home"):
        load_train()


def test_the_second_load_comes_from_the_cache_and_is_quick(project):
    first = load_train(DATA, data_home=PATHS.data)
    said: list[str] = []
    assert load_train(DATA, said.append, PATHS.data).sha256 == first.sha256
    assert said == []
    cached = timeit.repeat(lambda: load_train(DATA, data_home=PATHS.data), number=1, repeat=5)
    decoded = timeit.repeat(
        lambda: fashion_mnist._decode(fashion_mnist._find(DATA, "train")), number=1, repeat=5
    )
    assert min(cached) < min(decoded)


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "method", "encrypted"])
def test_a_damaged_cache_is_noticed_and_made_again(project, damage):
    whole = load_train(DATA, data_home=PATHS.data)
    (cache,) = Path("data/cache").glob("*.npz")
    content = bytearray(cache.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 0xFF
    directory = content.rfind(b"PK\x01\x02")  # the last entry of the zip file's directory
    if damage == "method":
        content[directory + 10] = 99
    if damage == "encrypted":
        content[directory + 8] |= 1
    cache.write_bytes({"truncate": content[: len(content) // 2], "empty": b""}.get(damage, content))
    said: list[str] = []
    assert load_train(DATA, said.append, PATHS.data).sha256 == whole.sha256
    assert "decoding" in said[0]
    said.clear()
    load_train(DATA, said.append, PATHS.data)
    assert said == []


def test_a_changed_file_is_not_served_from_the_cache(project, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(DATA, copy)
    load_train(copy, data_home=PATHS.data)
    labels = copy / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(labels.read_bytes()[:-30])
    with pytest.raises(DataError, match="truncated or damaged"):
        load_train(copy, data_home=PATHS.data)


def test_the_split_is_the_papers(everything):
    """scikit-learn's call on the arrays themselves, as in the paper."""
    from sklearn.model_selection import train_test_split

    train, validation = split(everything)
    x_train, x_val, y_train, y_val = train_test_split(
        everything.pixels, everything.labels, test_size=0.2, random_state=648
    )
    assert (len(train), len(validation)) == (48_000, 12_000)
    np.testing.assert_array_equal(train.pixels, x_train)
    np.testing.assert_array_equal(validation.labels, y_val)
    np.testing.assert_array_equal(validation.pixels, x_val)
    np.testing.assert_array_equal(train.labels, y_train)


def test_a_limit_keeps_the_first_of_each_part(everything):
    train, validation = split(everything)
    few_train, few_validation = split(everything, 2000)
    assert (len(few_train), len(few_validation)) == (2000, 500)
    np.testing.assert_array_equal(few_train.pixels, train.pixels[:2000])
    np.testing.assert_array_equal(few_validation.labels, validation.labels[:500])
    with pytest.raises(DataError, match=r"data.limit is 50,000, but there are 48,000"):
        split(everything, 50_000)


def test_damage_to_what_was_fetched_says_how_to_fetch_it_again(project):
    shutil.copytree(DATA, "data/fashion-mnist")
    (project / "data/fashion-mnist/train-labels-idx1-ubyte.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"\(remove data/fashion-mnist to have it fetched anew\)"):
        load_train(data_home=PATHS.data)


def test_a_cache_that_cannot_be_written_costs_only_time(project):
    (project / "data").mkdir()
    (project / "data/cache").write_text("in the way")
    assert len(load_train(DATA, data_home=PATHS.data)) == 60_000
