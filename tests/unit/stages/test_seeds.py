from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.stages.group import Group, make_group
from pipeline.stages.seeds import split_seeds
from tests.group_project import write_group_project


@pytest.fixture(scope="module")
def root(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_group_project(repository, tmp_path_factory.mktemp("seeds") / "project")


def group(root: Path, *arguments: str) -> Group:
    rest, wish = split_seeds(arguments)
    assert wish is not None
    return make_group(rest, wish, root)


def seeds_of(*arguments: str, first: int = 0) -> tuple[int, ...]:
    _, wish = split_seeds(arguments)
    assert wish is not None
    return wish.seeds(first)


def test_a_number_counts_from_the_configuration_s_own_seed(root: Path) -> None:
    assert seeds_of("seeds=5") == (0, 1, 2, 3, 4)
    assert seeds_of("seeds=2", first=7) == (7, 8)
    assert [member.seed for member in group(root, "seed=3", "seeds=2").members] == [3, 4]


def test_a_list_names_the_seeds_in_the_order_of_their_runs() -> None:
    assert seeds_of("seeds=[7,1,2]", first=3) == (7, 1, 2)


def test_the_last_of_several_wishes_stands_and_other_arguments_stay() -> None:
    rest, wish = split_seeds(["model=gpt2", "seeds=5", "optimizer.lr=1e-4", "++seeds=2", "seed=9"])
    assert rest == ["model=gpt2", "optimizer.lr=1e-4", "seed=9"]
    assert wish is not None
    assert wish.seeds(9) == (9, 10)


def test_without_seeds_nothing_changes() -> None:
    assert split_seeds(["model=gpt2", "seed=4"]) == (["model=gpt2", "seed=4"], None)
    assert split_seeds([]) == ([], None)


@pytest.mark.parametrize(
    ("argument", "rule", "remedy"),
    [
        ("seeds=0", "between 1 and 1,000 seeds; got 0", "seeds=5"),
        ("seeds=-2", "got -2", "seeds=5"),
        ("seeds=1001", "got 1,001", "seeds=5"),
        ("seeds=2.5", "number of seeds or a list of them; got 2.5", "seeds=5"),
        ("seeds=true", "got True", "seeds=5"),
        ("seeds=", "got ''", "seeds=5"),
        ("~seeds", "got None", "seeds=5"),
        ("seeds=five", "got 'five'", "seeds=5"),
        ("seeds=[]", "the list is empty", "seeds=5"),
        ("seeds=[1,2,1]", "1 is named 2 times", "seeds=5"),
        ("seeds=[1,a]", "whole number from 0 to 4,294,967,295; got 'a'", "seeds=5"),
        ("seeds=[1,-1]", "got -1", "seeds=5"),
        ("seeds=[4294967296]", "got 4294967296", "seeds=5"),
        ("seeds=5,6", "several values at once", "seeds=[5,6]"),
        ("seed=5,6", "one training has one seed; got 5,6", "seeds=[5,6]"),
        ("seed=range(0,3)", "one training has one seed", "seeds=[0,1,2]"),
        ("seed=[1,2]", "one training has one seed; got [1,2]", "seeds=[1,2]"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_write_instead(
    argument: str, rule: str, remedy: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        split_seeds([argument])
    (problem,) = caught.value.problems
    assert rule in problem.message
    assert problem.source == f"argument {argument!r}"
    assert remedy in (problem.remedy or "")


def test_a_list_beside_a_single_seed_is_a_contradiction() -> None:
    with pytest.raises(ConfigError, match="names another one"):
        split_seeds(["seed=3", "seeds=[1,2]"])


def test_counted_seeds_beyond_the_largest_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 from 4294967295 on go beyond"):
        seeds_of("seeds=2", first=2**32 - 1)


def test_the_directory_does_not_depend_on_which_seeds_are_asked_for(root: Path) -> None:
    first = group(root, "seeds=2")
    assert first.directory.parent == root / "runs"
    assert first.directory.name.startswith("tiny-")
    assert group(root, "seeds=[5,9]").directory == first.directory
    assert group(root, "seed=3", "seeds=1").directory == first.directory
    assert group(root, "seeds=2", "optimizer.lr=0.1").directory != first.directory


def test_members_differ_in_nothing_but_the_seed_and_share_a_dataset(root: Path) -> None:
    made = group(root, "seeds=3")
    assert made.shares_dataset
    assert {member.outputs.dataset for member in made.members} == {made.directory / "dataset"}
    for seed, member in enumerate(made.members):
        assert member.config == made.config.model_copy(update={"seed": seed})
        assert member.outputs.model == made.directory / f"seed{seed}" / "model"


def test_a_division_made_of_the_seed_gives_each_member_its_own_dataset(root: Path) -> None:
    made = group(root, "seed=4", "seeds=2", "data.split.seed=${seed}")
    assert not made.shares_dataset
    assert [member.config.data.split.seed for member in made.members] == [4, 5]
    assert len({member.outputs.dataset for member in made.members}) == 2
    again = group(root, "seed=9", "seeds=1", "data.split.seed=${seed}")
    assert again.directory == made.directory


def test_problems_of_the_configuration_are_reported_as_ever(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.lrr"):
        group(root, "seeds=2", "optimizer.lrr=1")
