"""Recurrent layers that read padded batches and export with a dynamic batch and length."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Recurrence(nn.LSTM):
    """A one-layer, one-way LSTM that exports to one ONNX operator.

    torch's exporter unrolls an LSTM over time and so fixes the length; during an ONNX export the
    operator is written as it is instead, with torch's gate order (input, forget, cell, output)
    turned into that of ONNX (input, output, forget, cell).
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, batch_first=True)

    def states(self, values: Tensor) -> Tensor:
        """The state after each token: `[batch, length, input]` to `[batch, length, hidden]`."""
        if not torch.onnx.is_in_onnx_export():
            result: Tensor = self(values)[0]
            return result
        batch, length, _ = values.shape
        weights = {name: self._onnx_order(weight) for name, weight in self.named_parameters()}
        states = torch.onnx.ops.symbolic(
            "LSTM",
            (
                values.transpose(0, 1),
                weights["weight_ih_l0"].unsqueeze(0),
                weights["weight_hh_l0"].unsqueeze(0),
                torch.cat([weights["bias_ih_l0"], weights["bias_hh_l0"]]).unsqueeze(0),
            ),
            {"hidden_size": self.hidden_size},
            dtype=values.dtype,
            shape=(length, 1, batch, self.hidden_size),
        )
        return states.squeeze(1).transpose(0, 1)

    def _onnx_order(self, weight: Tensor) -> Tensor:
        """Puts the four gates' rows in ONNX's order."""
        size = self.hidden_size
        return torch.cat([weight[:size], weight[3 * size :], weight[size : 3 * size]])


class LstmLayer(nn.Module):
    """One layer, read forwards and, if asked, backwards from the last real token.

    Padding is on the right, so it never reaches the state of a real token; no packing is needed,
    and the graph exports with a dynamic batch and length.
    """

    def __init__(self, input_size: int, hidden_size: int, *, bidirectional: bool) -> None:
        super().__init__()
        self.forwards = Recurrence(input_size, hidden_size)
        self.backwards = Recurrence(input_size, hidden_size) if bidirectional else None

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Maps `[batch, length, input]` to `[batch, length, hidden × directions]`."""
        states = self.forwards.states(values)
        if self.backwards is None:
            return states
        reverse = self.backwards.states(reverse_within(values, lengths))
        return torch.cat([states, reverse_within(reverse, lengths)], dim=-1)


def reverse_within(values: Tensor, lengths: Tensor) -> Tensor:
    """Reverses each sequence within its length; padding stays behind.

    Args:
        values: `[batch, length, width]`, padded on the right.
        lengths: `[batch]`, int64, at most `length`.

    Returns:
        `[batch, length, width]`. Applied twice, it gives back `values`.
    """
    position = torch.arange(values.shape[1], device=values.device).unsqueeze(0)
    last = lengths.unsqueeze(1)
    source = torch.where(position < last, last - 1 - position, position)
    return values.gather(1, source.unsqueeze(-1).expand(-1, -1, values.shape[2]))
