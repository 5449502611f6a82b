"""Bytes that no instrument should send, with names: what every decoder must survive.

One corpus for all protocols. Each entry is small; what makes it hostile is what it asks for.
"""

import struct
from collections.abc import Iterator, Mapping

__all__ = ["GARBAGE", "IMAGE_HEADERS", "JSON", "PICKLES", "packets"]

GARBAGE: Mapping[str, bytes] = {
    "nothing": b"",
    "one zero": b"\x00",
    "a newline": b"\n",
    "all bits set": b"\xff" * 64,
    "every byte": bytes(range(256)),
    "no text": b"\x80\x81\xfe\xff",
    "half a character": b'{"htype":"hea\xc3',
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: penstock\r\n\r\n",
    "a ZeroMQ greeting": b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(32),
    "a long line": b"a" * 200_000,
}
"""No protocol at all."""

JSON: Mapping[str, bytes] = {
    "lists in lists": b"[" * 100_000,
    "objects in objects": b'{"a":' * 50_000,
    "closed lists in lists": b'{"htype":"header","x":' + b"[" * 900 + b"]" * 900 + b"}",
    "a list": b'["htype","header"]',
    "a number": b"1",
    "null": b"null",
    "a text": b'"header"',
    "unclosed": b'{"htype":"header"',
    "two objects": b'{"htype":"header"}{"htype":"header"}',
    "not a number": b'{"htype":"header","x":NaN}',
    "no text": b'{"htype":"header","x":"\xff\xfe"}',
    "half a surrogate": b'{"htype":"header","x":"\\ud800"}',
    "no htype": b"{}",
    "htype of a wrong type": b'{"htype":7}',
    "htype nobody has": b'{"htype":"shutdown"}',
    "htype as a list": b'{"htype":["image"]}',
}
"""JSON, or nearly, that is no header."""


def _image(**changes: str) -> bytes:
    fields = {"frame": "0", "shape": "[2,2]", "type": '"uint16"', "compression": '"none"', **changes}
    body = ",".join(f'"{name}":{value}' for name, value in fields.items() if value)
    return ('{"htype":"image",' + body + "}").encode()


IMAGE_HEADERS: Mapping[str, bytes] = {
    "huge shape": _image(shape="[4294967295,4294967295]"),
    "overflowing shape": _image(shape="[18446744073709551616,2]"),
    "shape that overflows to the right size": _image(shape="[4611686018427387905,4]"),
    "negative shape": _image(shape="[-2,-2]"),
    "empty length": _image(shape="[0,4]"),
    "fractional shape": _image(shape="[2.5,2]"),
    "shape as a text": _image(shape='"2x2"'),
    "shape in shape": _image(shape="[[2,2]]"),
    "a thousand lengths": _image(shape="[" + ",".join(["1"] * 1000) + "]"),
    "no shape": _image(shape=""),
    "negative frame": _image(frame="-1"),
    "frame above 64 bits": _image(frame="18446744073709551616"),
    "frame as a text": _image(frame='"0"'),
    "fractional frame": _image(frame="0.5"),
    "true as frame": _image(frame="true"),
    "no frame": _image(frame=""),
    "objects": _image(type='"object"'),
    "type O": _image(type='"O"'),
    "records": _image(type='"u2,O"'),
    "a type with a shape": _image(type='"(1000000,)u2"'),
    "text": _image(type='"U1000000"'),
    "void": _image(type='"V8"'),
    "unknown type": _image(type='"uint17"'),
    "type as a number": _image(type="16"),
    "no type": _image(type=""),
    "compression as a number": _image(compression="1"),
    "no compression": _image(compression=""),
}
"""Headers of images; eight bytes of pixels follow."""


def _short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


_PROTOCOL = b"\x80\x04"
_NDARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
_LITTLE = b"(K\x03" + _short("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t"
_F8 = b"cnumpy\ndtype\n" + _short("f8") + b"\x89\x88\x87R" + _LITTLE + b"b"


def _eightfold(level: int) -> bytes:
    return b"]\x94(" + bytes([0x68, level]) * 8 + b"e"


_OBJECTS = _F8.replace(_short("f8"), _short("O8"))


def _array(shape: bytes, dtype: bytes, content: bytes) -> bytes:
    return _PROTOCOL + _NDARRAY + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb."


PICKLES: Mapping[str, bytes] = {
    "system": b"cposix\nsystem\n(S'echo penstock'\ntR.",
    "system, protocol 2": b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.",
    "system, protocol 4": _PROTOCOL + _short("posix") + _short("system") + b"\x93" + _short("true") + b"\x85R.",
    "eval": _PROTOCOL + _short("builtins") + _short("eval") + b"\x93" + _short("1") + b"\x85R.",
    "getattr through a module": _PROTOCOL + _short("numpy") + _short("os.system") + b"\x93.",
    "numpy.load": _PROTOCOL + b"cnumpy\nload\n" + _short("/etc/passwd") + b"\x85R.",
    "numpy.zeros": _PROTOCOL + b"cnumpy\nzeros\nJ\xff\xff\xff\x7f\x85R.",
    "numpy.ndarray called": _PROTOCOL + b"cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85\x85R.",
    "a global that is no text": _PROTOCOL + b"K\x01K\x02\x93.",
    "a class instance": b"(i__main__\nThing\n.",
    "object of a class": _PROTOCOL + b"ccollections\nOrderedDict\n)\x81.",
    "persistent id": b"Psomething\n.",
    "extension": _PROTOCOL + b"\x82\x01.",
    "array of objects": _array(b"K\x01\x85", _OBJECTS, b"]Na"),
    "huge shape, no content": _array(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", _F8, b"C\x00"),
    "shape that overflows": _array(b"\x8a\x09" + (2**64 + 1).to_bytes(9, "little") + b"\x85", _F8, b"C\x08" + bytes(8)),
    "negative shape": _array(b"J\xff\xff\xff\xff\x85", _F8, b"C\x08" + bytes(8)),
    "shape of texts": _array(_short("a") + b"\x85", _F8, b"C\x08" + bytes(8)),
    "too little content": _array(b"K\x02\x85", _F8, b"C\x08" + bytes(8)),
    "content that is a list": _array(b"K\x01\x85", _F8, b"]"),
    "dtype that is a text": _array(b"K\x01\x85", _short("f8"), b"C\x08" + bytes(8)),
    "state of a list": _PROTOCOL + b"]K\x01b.",
    "array without state": _PROTOCOL + _NDARRAY + b".",
    "reconstruct with a huge typecode": _PROTOCOL
    + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85J\xff\xff\xff\x7f\x87R.",
    "dtype of everything": _PROTOCOL + b"cnumpy\ndtype\n" + _short("O,(9,9)f8") + b"\x89\x88\x87R.",
    "encode with another codec": _PROTOCOL + b"c_codecs\nencode\n" + _short("a") + _short("zlib_codec") + b"\x86R.",
    "encode of a number": _PROTOCOL + b"c_codecs\nencode\nJ\xff\xff\xff\x7f\x85R.",
    "encode with ten arguments": _PROTOCOL + b"c_codecs\nencode\n(" + b"N" * 10 + b"tR.",
    "OrderedDict of a number": _PROTOCOL + b"ccollections\nOrderedDict\nK\x01\x85R.",
    "OrderedDict of triples": _PROTOCOL + b"ccollections\nOrderedDict\n](K\x01K\x02K\x03ea\x85R.",
    "list as key": _PROTOCOL + b"}]Ns.",
    "key without value": _PROTOCOL + b"}(K\x01u.",
    "text longer than the pickle": _PROTOCOL + b"X\xff\xff\xff\xffab.",
    "bytes longer than any memory": _PROTOCOL + b"\x8e" + struct.pack("<Q", 2**62) + b"ab.",
    "bytearray longer than any memory": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"ab.",
    "frame longer than the pickle": _PROTOCOL + b"\x95" + struct.pack("<Q", 2**62) + b"N.",
    "memo at a huge index": _PROTOCOL + b"Nr\xff\xff\xff\xff0.",
    "memo that is empty": _PROTOCOL + b"h\x07.",
    "integer of many digits": _PROTOCOL + b"\x8b\xff\xff\x00\x00" + b"\x7f" * 0xFFFF + b".",
    "lists in lists": _PROTOCOL + b"]" * 10_000 + b"a" * 9_999 + b".",
    "list that holds itself": _PROTOCOL + b"]\x94h\x00a.",
    "few bytes, many values": _PROTOCOL + b"](]\x94(NNNNNNNNe" + b"".join(_eightfold(k) for k in range(12)) + b"e.",
    "few bytes, much content": _PROTOCOL
    + b"](B\x00\x00\x01\x00"
    + bytes(1 << 16)
    + b"\x94"
    + b"h\x00" * 20_000
    + b"e.",
    "empty stack": _PROTOCOL + b"a.",
    "no mark": _PROTOCOL + b"t.",
    "mark as value": _PROTOCOL + b"(.",
    "two values": _PROTOCOL + b"NN.",
    "no stop": _PROTOCOL + b"N",
    "something behind": _PROTOCOL + b"N.N.",
    "only stop": b".",
    "protocol nobody has": b"\x80\x2aN.",
    "number": _PROTOCOL + b"K\x01.",
    "text": _PROTOCOL + _short("running") + b".",
    "dictionary without status": _PROTOCOL + b"}.",
    "status nobody has": _PROTOCOL + b"}" + _short("status") + _short("exploded") + b"s.",
    "status that is a list": _PROTOCOL + b"}" + _short("status") + b"]s.",
}
"""Pickles that are broken, ask for what is not allowed, or grow when they are read."""


def packets() -> Iterator[tuple[str, list[bytes]]]:
    """Yield (name, parts) of packets that are wrong in every packet protocol."""
    yield "no parts", []
    yield "seven parts", [b"{}"] * 7
    for corpus in (GARBAGE, JSON, PICKLES):
        for name, raw in corpus.items():
            yield name, [raw]
            yield f"{name}, with a second part", [raw, b"x" * 8]
            yield f"{name}, with two more parts", [raw, b"x" * 8, b"\x80\x04]."]
    for name, raw in IMAGE_HEADERS.items():
        yield f"image header: {name}", [raw, bytes(8)]
        yield f"image header: {name}, three parts", [raw, bytes(8), b"\x80\x04]."]
