"""A real Slurm of two nodes on this machine, all of it in one folder: its own munge, ports, state and logs.

What else of Slurm or munge runs here is not touched: every client finds this one by SLURM_CONF alone, and what is ended
at the end are the processes that were started here, and those of its jobs.
"""

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

NODES = ("n1", "n2")
CONTROLLER = "slurmctld"
NEEDED = ("setpriv", "munged", CONTROLLER, "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
PATIENCE_S = 180.0  # of a machine that has other things to do

# Times are short so that tests are. `cred_expire` is also how long a requeued job waits before it may start again.
# A job is forgotten 5 s after its end, as clusters do after minutes. `urgent` preempts `main`, with a signal first.
CONF = """\
ClusterName=tasklaws
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool.%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=5
KillWait=3
MinJobAge=5
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1_port} CPUs={cpus} RealMemory=64000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2_port} CPUs={cpus} RealMemory=64000
PartitionName=main Nodes={nodes} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=5
PartitionName=urgent Nodes={nodes} MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""


def wait_until(true: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Look ten times a second; an assertion fails where it does not come true in time."""
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, f"waited {patience_s:g} s in vain: {what}"
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Slurm:
    """The cluster: its daemons by name (`munged`, `slurmctld`, `n1`, `n2`) and what a client of it needs."""

    def __init__(self, root: Path, nodes: tuple[str, ...] = NODES) -> None:
        self.root, self.nodes = root, nodes
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.env = os.environ | {"SLURM_CONF": str(root / "slurm.conf")}

    def write(self, cpus: int) -> None:
        """Make the folder, with a key and settings of its own."""
        self.root.mkdir(mode=0o700)
        (self.root / "state").mkdir()
        key = self.root / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        ports = dict(zip(("controller_port", "n1_port", "n2_port"), _free_ports(3), strict=True))
        text = CONF.format(
            host=socket.gethostname(),
            root=self.root,
            user=getpass.getuser(),
            cpus=cpus,
            nodes=",".join(self.nodes),
            **ports,
        )
        (self.root / "slurm.conf").write_text(text)

    def start(self, name: str) -> None:
        """Start a daemon in the foreground of a session of its own, and wait until it answers."""
        conf = self.env["SLURM_CONF"]
        files = {
            "key-file": "munge.key",
            "pid-file": "munged.pid",
            "log-file": "munged.log",
            "seed-file": "munged.seed",
        }
        munged = ["munged", "--foreground", "--force", f"--socket={self.root / 'munge.socket'}"]
        commands = {
            "munged": munged + [f"--{option}={self.root / file}" for option, file in files.items()],
            CONTROLLER: [CONTROLLER, "-D", "-f", conf],
            **{node: ["slurmd", "-D", "-N", node, "-f", conf] for node in NODES},
        }
        with (self.root / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *commands[name]],  # none outlives a test run that is killed
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self.env,
                start_new_session=True,
            )
        answers = {
            "munged": lambda: (self.root / "munge.socket").exists(),
            CONTROLLER: lambda: " is UP" in self.run("scontrol", "ping", check=False),
            **{
                node: lambda: self.node_state(name) in ("idle", "mixed", "allocated", "draining", "drained")
                for node in NODES
            },
        }
        wait_until(lambda: answers[name]() or self.daemons[name].poll() is not None, f"{name} answers")
        if self.daemons[name].poll() is not None:
            raise RuntimeError(f"{name} ended: {(self.root / f'{name}.out').read_text()[-500:]}")

    def kill(self, name: str) -> None:
        """End a daemon without warning."""
        daemon = self.daemons.pop(name)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()

    def run(self, *command: str, check: bool = True) -> str:
        """What a client of this cluster said."""
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def queue(self, *states: str) -> list[str]:
        """The jobs in these states, all that have not ended where none is named: an array's as `12_3`."""
        chosen = ["--states", ",".join(states)] if states else []
        return self.run("squeue", "--noheader", "--array", "--format=%i", *chosen).split()

    def node_state(self, node: str) -> str:
        """The state of a node in Slurm's word, without the mark of one that does not answer."""
        return (
            self.run("sinfo", "--noheader", "--Node", f"--nodes={node}", "--format=%T").split("\n")[0].rstrip("*~#$@")
        )

    def wait_saved(self) -> None:
        """Wait until the controller has saved all that it knows now, as it does within seconds of a change."""
        saved, now = self.root / "state/job_state", time.time()
        self.run("scontrol", "update", f"jobid={self.queue()[0]}", "comment=trial")
        wait_until(lambda: saved.exists() and saved.stat().st_mtime > now, "the controller saves", 30)

    def processes(self) -> list[psutil.Process]:
        """All processes of this cluster's jobs: those in whose environment its SLURM_CONF stands, less the daemons."""
        daemons = {daemon.pid for daemon in self.daemons.values()} | {os.getpid()}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("SLURM_CONF") == self.env["SLURM_CONF"] and process.pid not in daemons:
                    found.append(process)
        return found

    def wait_idle(self, patience_s: float = 600) -> None:
        """Wait until no job runs or waits. As one who looks after a cluster does: nodes that fell out are taken back,
        and jobs that Slurm holds because they could not be launched are released."""

        def is_idle() -> bool:
            for node in self.nodes:
                self._serves(node)
            for job in self.run("squeue", "--noheader", "--array", "--format=%i %r").splitlines():
                if job.endswith("held"):
                    self.run("scontrol", "release", job.split()[0], check=False)
            return not self.queue()

        wait_until(is_idle, "the queue is empty", patience_s)

    def mend(self) -> None:
        """Start what was killed, and take every node back into service."""
        for name in ("munged", CONTROLLER, *self.nodes):
            if name not in self.daemons or self.daemons[name].poll() is not None:
                self.start(name)
        for node in self.nodes:
            wait_until(lambda node=node: self._serves(node), f"{node} serves again")

    def _serves(self, node: str) -> bool:
        """Whether a node takes jobs; one that is out of service is taken back."""
        state = self.node_state(node)
        if state.startswith(("down", "drain")):
            self.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        return state in ("idle", "mixed", "allocated")

    def stop(self) -> None:
        """End all jobs, then all daemons, then what is left of either, by their process numbers."""
        with suppress(Exception):
            self.run("scancel", "--user", getpass.getuser(), check=False)
            wait_until(lambda: not self.queue(), "all jobs ended", 15)
        for name in (*NODES, CONTROLLER, "munged"):
            if name in self.daemons:
                self.daemons[name].terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for process in self.processes():
            with suppress(psutil.Error):
                if "SLURM_JOB_ID" in process.environ():  # and not what a person began where SLURM_CONF is exported
                    process.kill()


@contextmanager
def slurm(root: Path, cpus: int = 1, nodes: tuple[str, ...] = NODES) -> Iterator[Slurm]:
    """A running cluster of so many CPUs a node; skips, with the reason, where Slurm is not installed."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        pytest.skip(f"needs a real Slurm, apt-get install slurm-wlm munge: no {', '.join(missing)} here")
    cluster = Slurm(root, nodes)
    cluster.write(cpus)
    try:
        try:
            for name in ("munged", CONTROLLER, *nodes):
                cluster.start(name)
        except RuntimeError as error:
            pytest.skip(f"needs a real Slurm, which cannot be started here: {error}")
        yield cluster
    finally:
        cluster.stop()


if __name__ == "__main__":  # FOLDER [CPUS [NODE ...]]: one to try things by, until it is interrupted
    n_cpus, names = int((*sys.argv, "2")[2]), tuple(sys.argv[3:]) or NODES
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: sys.exit())
    with slurm(Path(sys.argv[1]).absolute(), n_cpus, names) as started:
        print(f"export SLURM_CONF={started.env['SLURM_CONF']}", flush=True)
        signal.pause()
