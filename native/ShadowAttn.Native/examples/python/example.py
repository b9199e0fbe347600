"""libshadowattn from Python, with nothing but the standard library: one layer of a real model against exact attention.

    python3 example.py LIBSHADOWATTN TRACE.safetensors
"""

import ctypes
import json
import math
import struct
import sys
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint32, c_void_p, sizeof

MODE_DENSE = 3
CROSSOVER_OFF = 1
DTYPES = {"F32": 0, "F16": 1, "BF16": 2}


class AttentionOptions(Structure):
    _fields_ = [(name, c_uint32) for name in ("size", "heads", "kv_heads", "head_dim")] \
        + [(name, c_int32) for name in ("mode", "tail", "mask", "exact")] \
        + [(name, c_float) for name in ("keep", "mass", "scale")] \
        + [(name, c_uint32) for name in ("min_keys", "sliding_window", "sinks", "local_window", "threads", "max_plans", "layer")] \
        + [("crossover", c_int32), ("reserved", c_int32)] \
        + [(name, c_void_p) for name in ("keep_per_head", "alibi_slopes", "workers", "profile")]


class Tensor(Structure):
    _fields_ = [("data", c_void_p), ("head_stride", c_int64), ("row_stride", c_int64), ("dtype", c_int32), ("reserved", c_int32)]


class OperatorTime(Structure):
    _fields_ = [("name", c_char * 24), ("device", c_int32), ("reserved", c_int32), ("ms", c_double)]


class Stats(Structure):
    _fields_ = [("size", c_uint32), ("threads", c_uint32), ("total_ms", c_double), ("exposed_estimate_ms", c_double)] \
        + [(name, c_int64) for name in ("kept_keys", "visible_keys", "rescored_rows", "exact_scores", "bytes_copied", "allocated_bytes")] \
        + [("operator_count", c_uint32), ("reserved", c_uint32), ("operators", OperatorTime * 12)]


class Call(Structure):
    _fields_ = [("size", c_uint32), ("reserved", c_uint32), ("cancellation", c_void_p), ("stats", POINTER(Stats)), ("head_completed", c_void_p),
                ("head_user", c_void_p)]


class CacheOptions(Structure):
    _fields_ = [("size", c_uint32), ("capacity", c_uint32), ("dtype", c_int32), ("reserved", c_int32)]


class ShadowAttnError(Exception):
    pass


class Library:
    """The functions with the types of their arguments; a failure becomes a ShadowAttnError."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.library.sa_last_error.restype = c_char_p
        self.library.sa_error_name.restype = c_char_p
        self.library.sa_version.restype = c_char_p
        self.library.sa_isa.restype = c_char_p
        tensor = POINTER(Tensor)
        for name, arguments in {
            "sa_attention_create": [c_void_p, POINTER(AttentionOptions), POINTER(c_void_p)],
            "sa_attention_compute": [c_void_p, tensor, tensor, tensor, tensor, c_uint32, c_uint32, POINTER(Call)],
            "sa_attention_free": [c_void_p],
            "sa_cache_create": [c_void_p, POINTER(CacheOptions), POINTER(c_void_p)],
            "sa_cache_append": [c_void_p, tensor, tensor, c_uint32],
            "sa_cache_compute": [c_void_p, tensor, tensor, c_uint32, POINTER(Call)],
            "sa_cache_free": [c_void_p],
        }.items():
            function = getattr(self.library, name)
            function.argtypes = arguments
            function.restype = c_int32
            setattr(self, name, self.checked(function))

    def checked(self, function):
        def call(*arguments):
            status = function(*arguments)
            if status != 0:
                raise ShadowAttnError(f"{self.library.sa_error_name(status).decode()}: {self.library.sa_last_error().decode()}")
        return call

    def attention(self, **options):
        given = AttentionOptions(size=sizeof(AttentionOptions), **options)
        handle = c_void_p()
        self.sa_attention_create(None, byref(given), byref(handle))
        return handle


def read_trace(path):
    """The tensors' buffers and shapes, and the metadata."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    tensors = {}
    for name in "qkv":
        begin, end = header[name]["data_offsets"]
        tensors[name] = (ctypes.create_string_buffer(data[begin:end], end - begin), header[name]["shape"], DTYPES[header[name]["dtype"]])
    return tensors, header["__metadata__"]


def distance(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)) / sum(y * y for y in b))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    library = Library(sys.argv[1])
    tensors, metadata = read_trace(sys.argv[2])
    (heads, queries, dim), (kv_heads, keys, _) = tensors["q"][1], tensors["k"][1]
    q, k, v = (Tensor(data=ctypes.addressof(buffer), dtype=dtype) for buffer, _, dtype in (tensors[name] for name in "qkv"))
    output, exact, step = (c_float * (heads * queries * dim))(), (c_float * (heads * queries * dim))(), (c_float * (heads * dim))()
    o, e, s = (Tensor(data=ctypes.addressof(room)) for room in (output, exact, step))

    shape = {"heads": heads, "kv_heads": kv_heads, "head_dim": dim, "scale": float(metadata["scale"])}
    # With so few keys exact attention might be faster, and the example is about the other way.
    sparse, dense = library.attention(crossover=CROSSOVER_OFF, **shape), library.attention(mode=MODE_DENSE, **shape)
    stats = Stats(size=sizeof(Stats))
    call = Call(size=sizeof(Call), stats=ctypes.pointer(stats))
    library.sa_attention_compute(sparse, byref(q), byref(k), byref(v), byref(o), queries, keys, byref(call))
    library.sa_attention_compute(dense, byref(q), byref(k), byref(v), byref(e), queries, keys, None)
    prefill = distance(output, exact)
    print(f"libshadowattn {library.library.sa_version().decode()} on {library.library.sa_isa().decode()}: "
          f"{100 * stats.kept_keys / stats.visible_keys:.1f} % of the keys in {stats.total_ms:.2f} ms, distance from exact attention {prefill:.4f}")
    for operator in stats.operators[:stats.operator_count]:
        print(f"  {operator.name.decode():10} {operator.ms:8.3f} ms")

    # The last query again, as a step of decoding.
    cache = c_void_p()
    library.sa_cache_create(sparse, byref(CacheOptions(size=sizeof(CacheOptions), capacity=keys, dtype=k.dtype)), byref(cache))
    library.sa_cache_append(cache, byref(k), byref(v), keys)
    element = 4 if q.dtype == 0 else 2
    last = Tensor(data=q.data + (queries - 1) * dim * element, head_stride=queries * dim, dtype=q.dtype)
    library.sa_cache_compute(cache, byref(last), byref(s), 1, None)
    rows = [exact[(head * queries + queries - 1) * dim + d] for head in range(heads) for d in range(dim)]
    decode = distance(step, rows)
    print(f"decode: distance from exact attention {decode:.4f}")

    try:
        library.sa_cache_append(cache, byref(k), byref(v), 1)
        refused = False
    except ShadowAttnError as error:
        refused = "SA_ERROR_CAPACITY" in str(error)
        print(error)
    library.sa_cache_free(cache)
    library.sa_attention_free(sparse)
    library.sa_attention_free(dense)
    right = prefill < 0.03 and decode < 0.06 and refused
    print("all right" if right else "WRONG")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
