"""A STINS detector for when the common one is absent: PUSH, bound; a JSON line ``{"n": …, "shape": […]}`` a series."""

import argparse
import json
import sys

import numpy as np
import zmq

from penstock.protocols.stins import encode_end, encode_image, encode_start


def main() -> None:
    """Send what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bind", required=True)
    asked = parser.parse_args()
    with zmq.Context() as context, context.socket(zmq.PUSH) as sender:
        sender.bind(asked.bind)
        print("ready", flush=True)
        for line in sys.stdin:
            series = json.loads(line)
            _, pixels = encode_image(0, np.ones(series["shape"], np.uint16))
            sender.send_multipart(encode_start(""))
            for frame in range(series["n"]):
                header, _ = encode_image(frame, b"", shape=series["shape"], type="uint16")
                sender.send(header, zmq.SNDMORE)
                sender.send(pixels, copy=False)
            sender.send_multipart(encode_end())


if __name__ == "__main__":
    main()
