"""One of several processes of an evaluation, as a program: FOLDER OUT [COORDINATOR] PROCESSES PROCESS [DIE_AFTER]."""

import os
import signal
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "cli"), str(Path(__file__).parent)]


def main(folder, out, coordinator, processes, number, die_after="0"):
    from egcam_jax import evaluate

    place = evaluate.join(coordinator or None, int(processes), int(number))
    import jax
    from evaluation import plan

    def report(progress):
        if progress.batch == int(die_after) > 0:
            os.kill(os.getpid(), signal.SIGKILL)

    path = evaluate.run(plan(Path(folder), Path(out), batch=2), process=place, report=report)
    print(place.number, place.of, jax.local_device_count(), path)


if __name__ == "__main__":
    main(*sys.argv[1:])
