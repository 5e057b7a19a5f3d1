"""`hydra/launcher=composed`: the runs of a sweep as `jobs.py` runs them. Loaded where Hydra is loaded anyway."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher as HydraLauncher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from composed.config import Config
from composed.config.options import search_words
from composed.runs.result import Result
from composed.sweeps.jobs import Job, run_jobs


class Launcher(HydraLauncher):
    """`jobs` runs at a time; `follow`: what they say is said here, too. What is finished already is not run again."""

    def __init__(self, jobs: int, follow: bool) -> None:
        self.at_a_time, self.follow = jobs, follow

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """A sweeper gets a run's validation loss; where it asks a failed run for it, the sweep ends with code 1."""
        jobs = [self._job(overrides) for overrides in job_overrides]
        failed = {job.folder.path for job in run_jobs(jobs, at_a_time=self.at_a_time, follow=self.follow)}
        return [_ended(job, job.folder.path not in failed) for job in jobs]

    def _job(self, overrides: Sequence[str]) -> Job:
        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            del config["hydra"]
        places = search_words(self.config.hydra.overrides.hydra)
        node = OmegaConf.to_container(config, resolve=True)
        return Job((*places, *overrides), Config.read(node))  # type: ignore[arg-type]


def _ended(job: Job, well: bool) -> JobReturn:
    ended = JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED if well else JobStatus.FAILED)
    ended.return_value = Result.read(job.folder.result).best["selection"] if well else SystemExit(1)
    return ended
