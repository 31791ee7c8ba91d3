"""Where a run came from: source revision, library versions, machine. Fast: no heavy import."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "pytorch-lightning",
    "safetensors",
    "numpy",
    "pyarrow",
    "scikit-learn",
    "pydantic",
    "hydra-core",
    "dvc",
    "mlflow",
    "optuna",
    "onnx",
    "onnxruntime",
)
"""The distributions whose versions can change a result."""

_SERVING = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "huggingface-hub",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "rich",
    "scikit-learn",
    "ftfy",
    "jinja2",
    "jieba",
    "mlflow",
    "pillow",
    "protobuf",
    "rapidfuzz",
    "sacrebleu",
    "soundfile",
    "soxr",
)
"""The distributions that a trained model needs to predict."""
_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "PYTORCH_CUDA_ALLOC_CONF",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_MAX_CPU_ISA",
    "PYTHONHASHSEED",
    "TOKENIZERS_PARALLELISM",
    "HF_HUB_OFFLINE",
    "WORLD_SIZE",
    "RANK",
    "LOCAL_RANK",
    "SLURM_JOB_ID",
    "DVC_STAGE",
    "DVC_EXP_NAME",
    "DVC_EXP_BASELINE_REV",
    "LC_ALL",
    "LANG",
    "TZ",
)
"""The variables that can change a result or its time; none of them is a secret."""

_DVC_VARIABLES = {
    "dvc.stage": "DVC_STAGE",
    "dvc.experiment": "DVC_EXP_NAME",
    "dvc.baseline": "DVC_EXP_BASELINE_REV",
}
_MADE_BY_STAGES = (":(exclude)outputs", ":(exclude)dvc.lock")
"""What a run itself rewrites says nothing about the sources the run came from."""
_LARGEST_UNTRACKED_BYTES = 200_000
_LARGEST_DIFF_CHARACTERS = 5_000_000
_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class GitState:
    """The source tree a run was started from.

    Attributes:
        revision: The commit, 40 hex digits; None outside a repository or before its first commit.
        branch: The branch; None when detached.
        dirty: Whether tracked or new files differ from the commit, what stages write not counted.
        diff: The difference as a patch for `git apply`, new files of up to 200 kB included.
    """

    revision: str | None = None
    branch: str | None = None
    dirty: bool | None = None
    diff: str = ""


@dataclass(frozen=True)
class Machine:
    """The computer.

    Attributes:
        host: Its name.
        system: Operating system and kernel.
        cpu: The processor's model.
        cores: Logical cores this process may use.
        memory_gigabytes: Physical memory, in 10^9 bytes.
        gpus: Model of each NVIDIA GPU.
        threads: Threads of numeric libraries: torch's own number where it is loaded, otherwise
            `$OMP_NUM_THREADS`, otherwise the cores.
    """

    host: str
    system: str
    cpu: str
    cores: int
    memory_gigabytes: float
    gpus: tuple[str, ...]
    threads: int


@dataclass(frozen=True)
class Provenance:
    """All of it.

    Attributes:
        git: The source tree.
        versions: Python's and the libraries' versions.
        machine: The computer.
        dvc: Stage, experiment and baseline where DVC started the process.
    """

    git: GitState
    versions: dict[str, str]
    machine: Machine
    dvc: dict[str, str] = field(default_factory=dict)

    def tags(self) -> dict[str, str]:
        """What of it one filters runs by, as tags."""
        tags = {
            "host": self.machine.host,
            "cpu": self.machine.cpu,
            "threads": str(self.machine.threads),
            **self.dvc,
            **{f"version.{name}": version for name, version in self.versions.items()},
        }
        if self.machine.gpus:
            tags["gpu"] = ", ".join(self.machine.gpus)
        if self.git.revision is not None:
            tags["git.revision"] = self.git.revision
            tags["mlflow.source.git.commit"] = self.git.revision
            tags["git.dirty"] = str(self.git.dirty).lower()
        if self.git.diff:
            tags["git.diff_sha256"] = hashlib.sha256(self.git.diff.encode()).hexdigest()
        if self.git.branch is not None:
            tags["git.branch"] = self.git.branch
        return tags

    def environment(self) -> dict[str, Any]:
        """All that surrounds a run, as JSON: machine, versions, packages, threads, variables."""
        return {
            "machine": asdict(self.machine),
            "python": {
                "version": platform.python_version(),
                "implementation": platform.python_implementation(),
                "executable": sys.executable,
            },
            "versions": self.versions,
            "packages": dict(line.split("==", 1) for line in packages()),
            "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
            "dvc": self.dvc,
        }


def collect(root: Path) -> Provenance:
    """Gathers where a run started in this process comes from.

    Args:
        root: The project's directory.
    """
    dvc = {tag: os.environ[name] for tag, name in _DVC_VARIABLES.items() if os.environ.get(name)}
    return Provenance(git_state(root), versions(), machine(), dvc)


def git_state(root: Path) -> GitState:
    """Reads the source tree's state from git.

    Args:
        root: A directory of the tree. Without git, or outside a repository, nothing is known.
    """
    revision = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if not revision:
        return GitState()
    branch = _git(root, "symbolic-ref", "--quiet", "--short", "HEAD")
    status = _git(root, "status", "--porcelain", "--", ".", *_MADE_BY_STAGES)
    dirty = None if status is None else bool(status)
    return GitState(revision.strip(), (branch or "").strip() or None, dirty, _diff(root, dirty))


def project_id(root: Path) -> str | None:
    """The first commit of the repository: the same for all its clones.

    Of several first commits the oldest. None outside a repository, before its first commit, and in
    a shallow clone, which does not know it.
    """
    if (_git(root, "rev-parse", "--is-shallow-repository") or "").strip() == "true":
        return None
    found = _git(root, "rev-list", "--max-parents=0", "HEAD")
    return found.splitlines()[-1] if found else None


def root_entries(root: Path, revision: str) -> dict[str, str] | None:
    """What lies at the top of the repository in a revision: mode, kind and hash of each entry.

    Args:
        root: A directory of the tree.
        revision: The commit.

    Returns:
        By name; None where git does not know the revision.
    """
    found = _git(root, "ls-tree", "-z", "--full-tree", revision)
    if found is None:
        return None
    entries = (line.partition("\t") for line in found.split("\0") if line)
    return {name: kind for kind, _, name in entries}


def versions() -> dict[str, str]:
    """Python's version and those of the libraries that are installed, without importing them."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def packages() -> tuple[str, ...]:
    """Every installed distribution as `name==version`, sorted, as pip would freeze them.

    They are read once a process: hundreds of files.
    """
    read = (distribution.metadata for distribution in metadata.distributions())
    found = {f"{fields['Name']}=={fields['Version']}" for fields in read}
    return tuple(sorted(found, key=str.lower))


def serving_requirements(further: Iterable[str] = ()) -> list[str]:
    """What a trained model needs to predict, pinned to what is installed, as pip reads it.

    Args:
        further: Distributions that this model needs besides.
    """
    found = []
    for name in (*_SERVING, *further):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        found.append(f"{name}=={version.partition('+')[0]}")
    return sorted(found)


def machine() -> Machine:
    """Describes the computer and what this process may use of it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        host=platform.node(),
        system=f"{platform.system()} {platform.release()}",
        cpu=_cpu(),
        cores=cores or 1,
        memory_gigabytes=round(memory / 1e9, 1),
        gpus=_gpus(),
        threads=_threads(cores or 1),
    )


def _threads(cores: int) -> int:
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        return int(torch.get_num_threads())
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdigit() else cores


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in {"model name", "Model"}:
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpus() -> tuple[str, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        result = subprocess.run(  # noqa: S603 - a fixed command
            [program, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(result.stdout.split("\n")[:-1]) if result.returncode == 0 else ()


def _git(
    root: Path, *arguments: str, stdin: str | None = None, index: Path | None = None
) -> str | None:
    """The output of a git command that changes nothing; None if it fails."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    if index is not None:
        environment["GIT_INDEX_FILE"] = str(index)
    try:
        result = subprocess.run(  # noqa: S603 - our own arguments
            ["git", "-C", str(root), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            input=None if stdin is None else stdin.encode(),
            timeout=_TIMEOUT_SECONDS,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.decode("utf-8", "replace") if result.returncode == 0 else None


def _diff(root: Path, dirty: bool | None) -> str:
    """The patch, made with a copy of git's index in which new files are announced."""
    if not dirty:
        return ""
    index = _git(root, "rev-parse", "--path-format=absolute", "--git-path", "index")
    listed = _git(
        root, "ls-files", "-z", "--others", "--exclude-standard", "--", ".", *_MADE_BY_STAGES
    )
    if index is None:
        return ""
    new = [name for name in (listed or "").split("\0") if name and _is_small(root / name)]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "index"
        try:
            shutil.copyfile(index.rstrip("\n"), copy)
        except OSError:
            return ""
        if new:
            names = "\0".join(new)
            add = ("add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
            _git(root, *add, stdin=names, index=copy)
        command = ("diff", "--binary", "--no-color", "--no-ext-diff", "HEAD")
        diff = _git(root, *command, "--", ".", *_MADE_BY_STAGES, index=copy) or ""
    if len(diff) > _LARGEST_DIFF_CHARACTERS:
        summary = _git(root, "diff", "--stat", "HEAD", "--", ".", *_MADE_BY_STAGES) or ""
        return f"The patch has {len(diff):,} characters, too many to keep; its summary:\n{summary}"
    return diff


def _is_small(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size <= _LARGEST_UNTRACKED_BYTES
    except OSError:
        return False
