"""One configuration over several seeds: where its members lie, and which of them are complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import Outputs, content_hash
from pipeline.config.compose import group_hash
from pipeline.config.schema import Config
from pipeline.data.store import EncodedDataset
from pipeline.errors import UserError
from pipeline.manifest import FILE_NAME, Manifest
from pipeline.stages.compose import compose_checked
from pipeline.stages.seeds import SeedsWish

PREPARED_FROM = "prepared_from"
"""Beside a dataset: the key of what it was prepared from."""
_OF_DATASET = ("data", "task", "model")
_CANONICAL, _OTHER = 0, 1
"""The seed whose configuration names the group, member or not, and one to compare it with."""


@dataclass(frozen=True)
class Member:
    """One seed's part of a group.

    Attributes:
        seed: Its seed.
        config: The group's configuration with that seed.
        outputs: Its files; the dataset is shared unless it depends on the seed.
    """

    seed: int
    config: Config
    outputs: Outputs


@dataclass(frozen=True)
class Group:
    """A configuration and its seeds.

    Attributes:
        config: The configuration with seed 0, which no seed of the members changes.
        directory: `runs/<experiment>-<hash>/`.
        members: In the order in which they are run.
        shares_dataset: Whether the members have one dataset; not where a value of the sections
            that preparation reads is made of the seed.
    """

    config: Config
    directory: Path
    members: tuple[Member, ...]
    shares_dataset: bool

    def member(self, seed: int) -> Member:
        """The member of a seed, whether or not it was asked for now.

        Only where the dataset is shared; otherwise of the seeds asked for.
        """
        known = {member.seed: member for member in self.members}
        if seed in known:
            return known[seed]
        config = self.members[0].config.model_copy(update={"seed": seed})
        return Member(seed, config, _outputs(self.directory, seed, self.shares_dataset))


def make_group(arguments: Sequence[str], wish: SeedsWish, root: Path) -> Group:
    """Composes the configuration for each seed.

    Args:
        arguments: Hydra overrides, `seeds=` not among them.
        wish: Which seeds.
        root: The project's root.

    Raises:
        ConfigError: With every problem found.
    """
    given = compose_checked(arguments, root)
    seeds = wish.seeds(given.seed)
    configs = _configs(arguments, given, {*seeds, _CANONICAL, _OTHER}, root)
    canonical = configs[_CANONICAL]
    shares = len({_dataset_section(config) for config in configs.values()}) == 1
    directory = root / "runs" / f"{given.experiment}-{group_hash(canonical)[:10]}"
    members = tuple(
        Member(seed, configs[seed], _outputs(directory, seed, shares)) for seed in seeds
    )
    return Group(canonical, directory, members, shares)


def _outputs(directory: Path, seed: int, shares: bool) -> Outputs:
    return Outputs(directory / f"seed{seed}", prepared=directory / "dataset" if shares else None)


def _configs(
    arguments: Sequence[str], given: Config, seeds: set[int], root: Path
) -> dict[int, Config]:
    """The configuration of each seed; composed for each only if more than the seed differs."""
    other = _OTHER if given.seed == _CANONICAL else _CANONICAL
    composed = compose_checked([*arguments, f"seed={other}"], root)
    if composed == given.model_copy(update={"seed": other}):
        return {seed: given.model_copy(update={"seed": seed}) for seed in seeds}
    return {seed: compose_checked([*arguments, f"seed={seed}"], root) for seed in seeds}


def _dataset_section(config: Config) -> str:
    return content_hash(config.model_dump(mode="json", include=set(_OF_DATASET)))


def group_key(group: Group, root: Path) -> str:
    """The key of the group's tracked run: equal where equal weights and metrics come out.

    Other data, code or library versions make another key, and with it new runs.

    Args:
        group: Its members' datasets are prepared.
        root: The project's root.
    """
    from pipeline.models.checkpoint import open_checkpoint
    from pipeline.stages.fine_tuning import weights_key

    config, dataset = group.config, group.members[0].outputs.dataset
    info = EncodedDataset.open(dataset).info
    data = info.fingerprint if group.shares_dataset else content_hash(dict(info.sources))
    checkpoint = open_checkpoint(config.model, root=root, dataset_dir=dataset)
    trained = weights_key(config, data, checkpoint)
    return content_hash([group_hash(config), trained])[:32]


def is_trained(member: Member, key: str) -> bool:
    """Whether a member's model is there, made from what the group's key stands for."""
    if not (member.outputs.model / FILE_NAME).is_file():
        return False
    from pipeline.stages.run_log import RunKeys

    try:
        run_key = Manifest.read(member.outputs.model).run_key
    except UserError:
        return False
    return run_key == RunKeys.of_member(key, member.seed).model


def trained_members(group: Group, key: str) -> list[Member]:
    """All members with a complete model, those of earlier commands too, by seed."""
    names = (path.name.removeprefix("seed") for path in group.directory.glob("seed*"))
    seeds = sorted(int(name) for name in names if name.isdecimal())
    asked = {member.seed for member in group.members}
    members = [group.member(seed) for seed in seeds if group.shares_dataset or seed in asked]
    return [member for member in members if is_trained(member, key)]
