"""The same network in other engines: OpenVINO reads the graph of `image_latency.py`, LiteRT what
`tflite.py` made of it; one thread, one picture a call.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cfedge.inputs.image.device import ImageInputs
from cfedge.runtime.session import open_session

__all__ = ["least_cosines", "others_of"]

#: Of a picture, height and width.
SIZE = (160, 160)


def openvino_run(model: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The same graph in OpenVINO, one thread, for one picture."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # sends nothing then
    import openvino

    core = openvino.Core()
    read = core.read_model(model)
    read.reshape([1, 3, *SIZE])
    settings = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
    request = core.compile_model(read, "CPU", settings).create_infer_request()

    def run(pixels: np.ndarray) -> np.ndarray:
        request.infer([pixels], share_inputs=True)
        return np.array(request.get_output_tensor(0).data)

    return run


def litert_run(model: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The same network in LiteRT, one thread, for one picture."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(model), num_threads=1)
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(pixels: np.ndarray) -> np.ndarray:
        signed = (pixels ^ 0x80).view(np.int8)
        interpreter.set_tensor(given["index"], np.ascontiguousarray(signed.transpose(0, 2, 3, 1)))
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(made["index"]))

    return run


def others_of(folder: Path) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What runs the same network, by name."""
    return {
        "OpenVINO": openvino_run(folder / "whole.onnx"),
        "LiteRT": litert_run(folder / "whole.tflite"),
    }


def least_cosines(folder: Path, inputs: ImageInputs, pictures: Sequence[bytes]) -> dict[str, float]:
    """Of each other's features with ours, over some pictures."""
    bare = open_session((folder / "whole.onnx").read_bytes(), "bare")
    others = others_of(folder)
    least = dict.fromkeys(others, 1.0)
    for picture in pictures:
        pixels = inputs.prepare(picture).feeds["pixels"]
        ours = bare.run(None, {"pixels": pixels})[0][0]
        for name, run in others.items():
            theirs = run(pixels)[0]
            cosine = float(ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs))
            least[name] = min(least[name], cosine)
    return least
