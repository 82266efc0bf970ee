#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios and labs: see `tools/lab --help`."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cvlab import cli  # noqa: E402

sys.exit(cli.main())
