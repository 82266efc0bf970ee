# SPDX-License-Identifier: BSD-3-Clause
"""The data plane follows what the API has answered. How soon is measured by tests/bench/api_follow.py."""

import unittest

import follow_world
from harness import proc

# Generous: this machine does other things, too. The aim is 0.1 s.
LIMIT = 3.0


class Follows(unittest.TestCase):

    def test_packets_obey_an_answer_soon(self):
        with follow_world.Follow(300) as follow:
            follow.settle()
            found = follow.rounds(3, LIMIT)
            # Rejected is not forwarded at all, and stays so.
            follow.stops_after(follow.call('Reject'), LIMIT)
            # A machine that was away may not have looked for long enough.
            proc.wait_for(lambda: follow.stops_after(follow.call('Reject'), LIMIT) == 0, 30,
                          'nothing to be forwarded any more')
        self.assertEqual(len(found['stop']) + len(found['serve']), 6)


if __name__ == '__main__':
    unittest.main()
