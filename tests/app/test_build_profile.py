"""The profile of a build: every step with its cost, on the screen and in a file."""

import json

from pipelines.core.store import output_path
from pipelines.declarations.project import Project
from tests.command import run, run_apart


def test_profile_lists_steps_with_the_dearest_first(small: Project) -> None:
    built = run_apart("build", "--profile", store=small.home, project=small.catalogue.root)
    assert built.returncode == 0, built.stderr
    profile = json.loads(output_path(small.home, "profile.json").read_text(encoding="utf-8"))
    costs = [step["cpu_s"] for step in profile["steps"]]
    assert costs == sorted(costs, reverse=True) and costs[0] > 0
    assert {"preparing", "printing", "imports and rest"} <= {step["step"] for step in profile["steps"]}
    assert all(step["step"] in built.stdout for step in profile["steps"])
    assert "reading" not in built.stdout


def test_build_without_the_option_writes_no_profile(small: Project) -> None:
    run("build", store=small.home, project=small.catalogue.root)
    assert not output_path(small.home, "profile.json").exists()
