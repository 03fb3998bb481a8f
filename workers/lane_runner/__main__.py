"""`python -m workers.lane_runner …`: the lane runner on a machine that has no settings of ours."""

from workers.lane_runner.cli import lane_runner_command

if __name__ == "__main__":
    lane_runner_command(prog_name="lane-runner")
