"""Training of pretrained networks on few labels."""

from skactive.finetuning._linear_probe import LinearProbeFineTune

__all__ = ["LinearProbeFineTune"]
