"""How a model runs: how many processes are forked for it."""

import pytest

from numpygit.fast.processes.group import can_fork
from numpygit.huggingface import call
from numpygit.huggingface.models import GitForCausalLM


@pytest.mark.skipif(not can_fork(), reason="processes need Linux on x86-64")
@pytest.mark.parametrize(("threads", "cores", "size"), [(8, 3, 3), (2, 3, 2), (1, 3, 1), (4, 1, 1)])
def test_no_more_processes_than_cores(storybook, monkeypatch, threads, cores, size):
    monkeypatch.setattr(call, "cores", lambda: cores)
    model = GitForCausalLM(storybook.model.config, storybook.model.params)
    model.threads = threads
    group = call.fork_for(model)
    assert (1 if group is None else group.processes.shared.size) == size
    if group is not None:
        group.close()
