#!/usr/bin/env bash
# Optuna 5.0.0: HyperbandPruner has one bracket too few where max_resource is an exact power of the
# reduction factor whose logarithm is rounded down.
#
# Guessed before it was run: 6 brackets for 243 epochs by 3, and 4 for 1,000 by 10, as documented.
# Its documentation says n_brackets = floor(log_{reduction_factor}(max_resource / min_resource)) + 1,
# which for 243 epochs and a factor of 3 is 6. It is computed as floor(math.log(243, 3)) + 1, and
# math.log(243, 3) is 4.999999999999999. The same with 1,000 and a factor of 10.
#
# Output seen (Python 3.11.7, Optuna 5.0.0):
#   max_resource 81, reduction_factor 3: 5 brackets, expected 5
#   max_resource 243, reduction_factor 3: 5 brackets, expected 6
#   max_resource 729, reduction_factor 3: 7 brackets, expected 7
#   max_resource 1000, reduction_factor 10: 3 brackets, expected 4
#
# Exit status 0: as described. Other: the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import re

import optuna

said = []


class Collect(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())


optuna.logging.set_verbosity(optuna.logging.DEBUG)
optuna.logging.disable_default_handler()
logging.getLogger("optuna").addHandler(Collect())


def objective(trial):
    trial.report(trial.suggest_float("x", 0, 1), 1)
    trial.should_prune()
    return 0.0


def brackets(max_resource, factor):
    said.clear()
    pruner = optuna.pruners.HyperbandPruner(
        min_resource=1, max_resource=max_resource, reduction_factor=factor
    )
    optuna.create_study(pruner=pruner).optimize(objective, n_trials=1)
    (count,) = {int(n) for line in said for n in re.findall(r"Hyperband has (\d+) brackets", line)}
    return count


seen = {}
for factor, power in ((3, 4), (3, 5), (3, 6), (10, 3)):
    resource = factor**power
    seen[resource] = brackets(resource, factor) - (power + 1)
    print(
        f"max_resource {resource}, reduction_factor {factor}: {brackets(resource, factor)} "
        f"brackets, expected {power + 1}"
    )
assert seen == {81: 0, 243: -1, 729: 0, 1000: -1}, seen
PYTHON
echo "as described"
