"""The table of stages: every step in every stage."""

import pytest

from hubline.server.stages import ENDING, STAGES, UNHEARD, Stage, Step

AFTER: dict[Stage, dict[Step, Stage]] = {
    Stage.HANDSHAKE: {
        Step.AGREE: Stage.OPEN,
        Step.LAST_WORD: Stage.HANDSHAKE,
        Step.LOSE: Stage.GONE,
        Step.CLOSE: Stage.CLOSING,
        Step.ABORT: Stage.ABORTED,
        Step.END: Stage.CLOSED,
    },
    Stage.OPEN: {
        Step.AGREE: Stage.OPEN,
        Step.LAST_WORD: Stage.LAST_CALLS,
        Step.LOSE: Stage.GONE,
        Step.CLOSE: Stage.CLOSING,
        Step.ABORT: Stage.ABORTED,
        Step.END: Stage.CLOSED,
    },
    Stage.LAST_CALLS: {
        Step.AGREE: Stage.LAST_CALLS,
        Step.LAST_WORD: Stage.LAST_CALLS,
        Step.LOSE: Stage.GONE,
        Step.CLOSE: Stage.CLOSING,
        Step.ABORT: Stage.ABORTED,
        Step.END: Stage.CLOSED,
    },
    Stage.GONE: {
        Step.AGREE: Stage.GONE,
        Step.LAST_WORD: Stage.GONE,
        Step.LOSE: Stage.GONE,
        Step.CLOSE: Stage.ABORTED,
        Step.ABORT: Stage.ABORTED,
        Step.END: Stage.CLOSED,
    },
    Stage.CLOSING: {
        Step.AGREE: Stage.CLOSING,
        Step.LAST_WORD: Stage.CLOSING,
        Step.LOSE: Stage.ABORTED,
        Step.CLOSE: Stage.CLOSING,
        Step.ABORT: Stage.ABORTED,
        Step.END: Stage.CLOSED,
    },
    Stage.ABORTED: dict.fromkeys(Step, Stage.ABORTED) | {Step.END: Stage.CLOSED},
    Stage.CLOSED: dict.fromkeys(Step, Stage.CLOSED),
}


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("stage", Stage)
def test_every_step_in_every_stage(stage: Stage, step: Step) -> None:
    assert STAGES[stage].get(step, stage) is AFTER[stage][step]


@pytest.mark.parametrize("group", [ENDING, UNHEARD], ids=["ending", "unheard"])
def test_who_has_begun_to_end_or_is_not_heard_never_comes_back(group: tuple[Stage, ...]) -> None:
    assert {after for stage in group for after in STAGES[stage].values()} <= set(group)
