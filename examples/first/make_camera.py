"""Write camera.cbors: forty images of a spot that moves and breathes, as a STINS camera would have sent them."""

from pathlib import Path

import numpy as np

from penstock.formats.recording import encode_record
from penstock.protocols.stins import encode_end, encode_image, encode_start

IMAGES, HEIGHT, WIDTH = 40, 24, 32


def spot(frame: int) -> np.ndarray:
    """Return one image, (24, 32) uint8, in counts."""
    turn = 2 * np.pi * frame / IMAGES
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    distance2 = (y - 12 - 5 * np.sin(turn)) ** 2 + (x - 16 - 9 * np.cos(turn)) ** 2
    return np.rint((120 + 60 * np.sin(3 * turn)) * np.exp(-distance2 / 8)).astype("u1")


if __name__ == "__main__":
    packets = [encode_start("", msg_number=0)]
    packets += [encode_image(frame, spot(frame), msg_number=frame + 1) for frame in range(IMAGES)]
    packets += [encode_end(msg_number=IMAGES + 1)]
    Path(__file__).with_name("camera.cbors").write_bytes(b"".join(encode_record(packet) for packet in packets))
