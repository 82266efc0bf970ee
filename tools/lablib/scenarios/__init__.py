# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios: `tools/lab NAME`. Each module here is one, under its name with hyphens. It has

    SUMMARY          one line for `tools/lab list`
    NEEDS            optional: groups of tools/packages.txt beside build and lab
    arguments(p)     optional: adds options to the argparse parser p, which has --json and --prefix already
    run(opts, say)   plays it and cleans up; returns (result, good): result is what --json prints, good
                     whether all was as expected; say(text) tells the person, on stderr, what goes on
    table(result)    optional: the result as text for people
"""

import importlib
import pkgutil


def names():
    """Names of all scenarios, as a user types them."""
    return sorted(m.name.replace('_', '-') for m in pkgutil.iter_modules(__path__))


def load(name):
    """The module of a scenario."""
    return importlib.import_module(f'{__name__}.{name.replace("-", "_")}')
