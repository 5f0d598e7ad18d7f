"""What Hypothesis tries depends on the test alone: what passes, passes again.

HYPOTHESIS_PROFILE=long tries what chance brings.
"""

import os
from unittest.mock import patch

from hypothesis import settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

if os.environ.get("HYPOTHESIS_PROFILE", "fixed") == "fixed":
    settings.load_profile("ci")  # of Hypothesis itself: derandomized, without a database
    # It would also try the constants of such modules of ours as happen to be loaded, and so the
    # other tests of a run, and each change anywhere, would make another search of the same seed.
    # No setting turns that off. Where this name is gone, patching it is an error, not a silence.
    patch.object(providers, "_get_local_constants", Constants).start()
