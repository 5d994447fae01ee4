"""The quantised network's first block in a form that runs faster: the same numbers, bit for bit.

A convolution of one channel is mostly copying: each pixel's neighbourhood is laid out, at full size. Here
the 3x3 convolution and the 2x2 max-pool after it share one layout: a 4x4 window for each pooled pixel
holds the neighbourhoods of all four, and the kernel, shifted to each of them and padded with zeros, makes
four results a filter, of which the largest is taken. To copy more at a time, squares of 2x2 pixels are
folded into four channels first (space to depth), so that a window is one of 2x2 squares.

The file still holds the kernel once, of 3x3; ONNX Runtime shifts and folds it while loading. Its own
operators (com.microsoft) are used, as the standard's MaxPool would turn the layout twice.
"""

import numpy as np
import onnx
from echo.frame import INPUT_HEIGHT, INPUT_WIDTH
from onnx import NodeProto, helper, numpy_helper

from training.network import FILTERS

RUNTIME = "com.microsoft"
SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1))  # down and right, of the four pixels that are pooled
REPLACED = "pool1_QuantizeLinear_Output"  # what quantize_static calls the block's result
ROWS, COLUMNS = INPUT_HEIGHT // 2, INPUT_WIDTH // 2  # pooled; one more square each, as the rim is padded
SHAPES = {
    "by_pixel": (-1, INPUT_HEIGHT, INPUT_WIDTH, 1),
    "by_row": (-1, 2, COLUMNS + 1, 2),
    "by_square": (-1, ROWS + 1, COLUMNS + 1, 4),
    "kernel_by_row": (len(SHIFTS) * FILTERS[0], 2, 2, 2, 2),
    "kernel_by_square": (len(SHIFTS) * FILTERS[0], 4, 2, 2),
    "by_shift": (-1, ROWS * COLUMNS, len(SHIFTS), FILTERS[0]),
    "pooled": (-1, ROWS, COLUMNS, FILTERS[0]),
}


def joined(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model of quantize_static's (QDQ) with its first convolution and max-pool done in one layout."""
    graph = model.graph
    replaced = _leading_to(graph, REPLACED)
    following = [node for node in graph.node if not replaced & set(node.output)]
    del graph.node[:]
    graph.node.extend([*_kernels(), *_block(), *following])
    used = {name for node in graph.node for name in node.input}
    constants = [each for each in (*graph.initializer, *_constants()) if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(constants)
    if RUNTIME not in {each.domain for each in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(RUNTIME, 1))
    return model


def _leading_to(graph: onnx.GraphProto, output: str) -> set[str]:
    """Names of a value and of all values that it is computed from."""
    inputs = {output: node.input for node in graph.node for output in node.output}
    found, wanted = set(), [output]
    while wanted:
        value = wanted.pop()
        found.add(value)
        wanted += inputs.get(value, [])
    return found


def _constants() -> list[onnx.TensorProto]:
    """Shapes, and what is padded before and after each axis of the frame and of the kernel."""
    pads = {"rim": (0, 1, 1, 0, 0, 1, 1, 0)} | {
        f"shift{index}": (0, 0, down, right, 0, 0, 1 - down, 1 - right)
        for index, (down, right) in enumerate(SHIFTS)
    }
    return [numpy_helper.from_array(np.array(values), name) for name, values in (SHAPES | pads).items()]


def _kernels() -> list[NodeProto]:
    """The kernels, and their scales, zero points and biases four times; all done while loading."""
    shifts = range(len(SHIFTS))
    nodes = [helper.make_node("Pad", ["kernel1_quantized", f"shift{i}"], [f"shifted{i}"]) for i in shifts]
    nodes.append(helper.make_node("Concat", [f"shifted{i}" for i in shifts], ["shifted"], axis=0))
    nodes += _folded("shifted", "kernel_by_row", [0, 2, 4, 1, 3], "kernel_by_square")
    repeated = ("kernel1_scale", "kernel1_zero_point", "bias1_quantized")
    nodes += [
        helper.make_node("Concat", [name] * len(SHIFTS), [f"{name}_repeated"], axis=0) for name in repeated
    ]
    return nodes


def _folded(source: str, by_row: str, order: list[int], by_square: str) -> list[NodeProto]:
    """Squares of 2x2 as four channels; what comes out is named `<source>_folded`."""
    rows, turned = f"{source}_{by_row}", f"{source}_turned"
    return [
        helper.make_node("Reshape", [source, by_row], [rows]),
        helper.make_node("Transpose", [rows], [turned], perm=order),
        helper.make_node("Reshape", [turned, by_square], [f"{source}_folded"]),
    ]


def _block() -> list[NodeProto]:
    frame, relu = (["frame_scale", "frame_zero_point"], ["relu1_scale", "relu1_zero_point"])
    kernel = ["shifted_folded", "kernel1_scale_repeated", "kernel1_zero_point_repeated"]
    window = {"kernel_shape": [2, 2], "channels_last": 1}
    over_shifts = {"kernel_shape": [1, len(SHIFTS)], "strides": [1, len(SHIFTS)]}
    inputs = ["frame_padded_folded", *frame, *kernel, *relu, "bias1_quantized_repeated"]
    return [
        helper.make_node("QuantizeLinear", ["frame", *frame], ["frame_quantized"]),
        helper.make_node("Reshape", ["frame_quantized", "by_pixel"], ["frame_by_pixel"]),
        helper.make_node("Pad", ["frame_by_pixel", "rim", "frame_zero_point"], ["frame_padded"]),
        *_folded("frame_padded", "by_row", [0, 2, 1, 3], "by_square"),
        helper.make_node("QLinearConv", inputs, ["relu1_joined"], domain=RUNTIME, **window),
        helper.make_node("Reshape", ["relu1_joined", "by_shift"], ["relu1_by_shift"]),
        helper.make_node(
            "NhwcMaxPool", ["relu1_by_shift"], ["pool1_by_shift"], domain=RUNTIME, **over_shifts
        ),
        helper.make_node("Reshape", ["pool1_by_shift", "pooled"], ["pool1_by_pixel"]),
        helper.make_node("Transpose", ["pool1_by_pixel"], [REPLACED], perm=[0, 3, 1, 2]),
    ]
