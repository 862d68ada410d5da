"""The benchmark of gradients runs, and compares like with like."""

import pytest
import torch

from benchmarks import images, network_gradients


@pytest.fixture
def tiny(monkeypatch):
    """Few images, and no more than two networks."""

    def absent(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr(images, "load", absent)
    names = ["linear layers", "convolutions only"]
    networks = {name: network_gradients.NETWORKS[name] for name in names}
    monkeypatch.setattr(network_gradients, "NETWORKS", networks)
    monkeypatch.setattr(network_gradients, "PROBE_SEEDS", 1)


def test_both_tables(tiny, capsys):
    network_gradients.main(["--scale", "0.001"])
    page = capsys.readouterr().out
    assert page.startswith("## Gradients of networks\n")
    assert "random pixels: Fashion-MNIST has not been fetched" in page
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("|")]
    assert [line[0] for line in lines[2:6]] == [
        "forward pass",
        "features, sketched",
        "features, whole gradients",
        "vmap(grad), then index_add_ with random signs",
    ]
    kernels = [line for line in lines if len(line) == 8][2:]
    assert [line[2] for line in kernels] == ["pntk", "diagonal", "full", "pntk", "diagonal"]
    assert all(float(line[6]) < 1e-4 for line in kernels)


def test_quick_is_a_scale(monkeypatch, capsys):
    monkeypatch.setattr(network_gradients, "section", lambda options: f"scale {options.scale}")
    network_gradients.main(["--quick"])
    assert "scale 0.02" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        network_gradients.main(["--scale", "0"])


def test_the_plain_sketch_keeps_inner_products():
    torch.manual_seed(0)
    net, X = network_gradients.small_conv_net(), torch.rand(6, 1, 28, 28)
    sketched = network_gradients.vectorised(net, X)
    expected, *_ = network_gradients.naive_kernel(net, X, "pntk")
    assert (sketched @ sketched.T - expected).norm() < 0.1 * expected.norm()
