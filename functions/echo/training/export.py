"""The trained weights as an ONNX file: built by hand, quantised to eight bits, its first block made cheap."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from echo.frame import INPUT_HEIGHT, INPUT_WIDTH
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from training.first_block import joined
from training.network import CLASSES, FILTERS, Weights, pooled

OPSET, IR_VERSION = 17, 9  # read by every ONNX Runtime since 1.15
INPUT, OUTPUT = "frame", "logits"


def float_model(weights: Weights) -> onnx.ModelProto:
    """The network in single precision; ONNX wants channels first, so the dense rows change their order."""
    nodes, values, last = [], [], INPUT
    for index, (kernel, bias) in enumerate(zip(weights.kernels, weights.biases, strict=True), start=1):
        values.append(_constant(f"kernel{index}", np.asarray(kernel).transpose(3, 2, 0, 1)))
        values.append(_constant(f"bias{index}", np.asarray(bias)))
        nodes += _block(last, index)
        last = f"pool{index}"
    rows, columns = pooled(INPUT_HEIGHT), pooled(INPUT_WIDTH)
    dense = np.asarray(weights.dense).reshape(rows, columns, FILTERS[-1], CLASSES).transpose(2, 0, 1, 3)
    values.append(_constant("dense", dense.reshape(-1, CLASSES)))
    values.append(_constant("dense_bias", np.asarray(weights.dense_bias)))
    nodes.append(helper.make_node("Flatten", [last], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", "dense", "dense_bias"], [OUTPUT]))
    shape = ["n", 1, INPUT_HEIGHT, INPUT_WIDTH]
    graph = helper.make_graph(
        nodes,
        "views",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", CLASSES])],
        values,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _block(source: str, index: int) -> list[onnx.NodeProto]:
    names = [source, f"kernel{index}", f"bias{index}"]
    return [
        helper.make_node("Conv", names, [f"conv{index}"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", [f"conv{index}"], [f"relu{index}"]),
        helper.make_node("MaxPool", [f"relu{index}"], [f"pool{index}"], kernel_shape=[2, 2], strides=[2, 2]),
    ]


def _constant(name: str, values: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float32), name)


class _Calibration(CalibrationDataReader):
    """Frames from which the ranges of the activations are taken."""

    def __init__(self, frames: np.ndarray) -> None:
        self._source: Iterator[np.ndarray] = iter(np.array_split(frames[:, None], len(frames) // 4))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._source, None)
        return None if batch is None else {INPUT: batch}


def export(weights: Weights, calibration: np.ndarray, target: Path) -> None:
    """Write the quantised network.

    Weights get seven bits (`reduce_range`): with eight, processors that have AVX2 but no VNNI overflow
    in silence and answer otherwise than those on which the accuracy was measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, quantised = Path(folder) / "plain.onnx", Path(folder) / "quantised.onnx"
        onnx.save(float_model(weights), plain)
        quantize_static(
            plain,
            quantised,
            _Calibration(calibration),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
        onnx.save(joined(onnx.load(quantised)), target)
