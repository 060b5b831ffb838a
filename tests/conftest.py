"""What every test may use: both event loops, the hypothesis profiles, the data beside the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Deadlines measure the machine, not the code. CI draws the same examples each time.
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
# For the second and third Python of a CI run: another interpreter, not other examples.
settings.register_profile("quick", settings.get_profile("ci"), max_examples=20)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each `@pytest.mark.anyio` test on both event loops."""
    return str(request.param)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the CESQL kit and the GitHub payloads, which are not part of this project."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared (conformance kits and payloads), which is not here")
    return folder
