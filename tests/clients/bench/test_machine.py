"""The machine, as results name it."""

from clients.bench.machine import cpu_name, describe_machine


def test_the_cpu_is_named_as_linux_names_it() -> None:
    assert cpu_name("processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\nprocessor\t: 1\nmodel name\t: Other") == (
        "Fast CPU @ 3 GHz"
    )
    assert cpu_name("processor: 0\n") is None


async def test_this_machine_has_cores_and_memory() -> None:
    machine = await describe_machine(0.25)
    assert machine.cores >= 1
    assert machine.memory_bytes >= 0
    assert machine.cpu
    assert machine.other_load_cores == 0.25
