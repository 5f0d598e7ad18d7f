"""No interleaving of inputs breaks a promise: R1 to R5, R13, R14 and R19 on the engine alone.

HYPOTHESIS_PROFILE=long looks further, without a bound that a build could wait for.
"""

import pytest
from hypothesis import settings

from tests.unit.dispatch.machine import PROFILE, Routing
from tests.unit.dispatch.removing import Removing

TestRouting = pytest.mark.timeout(0 if PROFILE.max_examples > 1000 else 180)(Routing.TestCase)
TestRouting.settings = PROFILE

TestRemoving = pytest.mark.timeout(0 if PROFILE.max_examples > 1000 else 180)(Removing.TestCase)
TestRemoving.settings = settings(PROFILE, max_examples=PROFILE.max_examples // 4)
