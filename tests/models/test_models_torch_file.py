"""The reader of ``.pth`` files: right values from good files, and nothing run from hostile ones."""

import copy
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pth_writer as w
import pytest

from egcam_jax.models._torch_file import TorchFileError, load_torch

Writer = Callable[[bytes, dict[str, np.ndarray]], bytes]
both = pytest.mark.parametrize("write", [w.zipped, w.legacy])
VALUES = np.arange(12, dtype=np.float32)


def store(key: str, dtype: str, count: int, write: Writer) -> bytes:
    return w.storage(key, dtype, count, legacy=write is w.legacy)


def read(tmp_path: Path, data: bytes) -> object:
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    return load_torch(path)


@both
def test_tensors_views_and_dtypes(tmp_path: Path, write: Writer) -> None:
    half = np.array([1.5, -2], jnp.bfloat16)
    shared = store("0", "float32", 12, write)
    body = w.mapping(
        whole=w.tensor(shared, 0, (3, 4), (4, 1)),
        transposed=w.tensor(shared, 0, (4, 3), (1, 4)),
        part=w.tensor(shared, 5, (2, 2), (4, 1)),
        scalar=w.tensor(shared, 11, (), ()),
        empty=w.tensor(shared, 0, (0, 3), (3, 1)),
        half=w.tensor(store("1", "bfloat16", 2, write), 0, (2,), (1,)),
        count=w.tensor(store("2", "int64", 1, write), 0, (), ()),
        parameter=w.call(
            w.name("torch._utils", "_rebuild_parameter"),
            w.tensor(shared, 0, (2,), (1,)),
            w.plain(True),
            w.call(w.name("collections", "OrderedDict")),
        ),
        epoch=w.plain(7),
    )
    tree = read(tmp_path, write(body, {"0": VALUES, "1": half, "2": np.array([9])}))
    assert isinstance(tree, dict)
    np.testing.assert_array_equal(tree["whole"], VALUES.reshape(3, 4))
    np.testing.assert_array_equal(tree["transposed"], VALUES.reshape(3, 4).T)
    np.testing.assert_array_equal(tree["part"], [[5, 6], [9, 10]])
    assert tree["scalar"] == 11
    assert tree["empty"].shape == (0, 3)
    np.testing.assert_array_equal(tree["half"].astype(np.float32), [1.5, -2])
    assert tree["count"] == 9
    np.testing.assert_array_equal(tree["parameter"], [0, 1])
    assert tree["epoch"] == 7


def hostile_programs(path: Path) -> dict[str, tuple[bytes, str]]:
    shell, code = w.plain(f"touch {path}"), w.plain(f"open({str(path)!r}, 'w')")
    admitted = w.name("collections", "OrderedDict")
    nested = b"\x80\x04" + w.plain("torch._utils") + w.plain("_rebuild_tensor_v2.__globals__") + b"\x93"
    stack_global = w.plain("os") + w.plain("system") + b"\x93"
    return {
        "os.system": (w.call(w.name("os", "system"), shell), "os.system"),
        "posix.system": (w.call(w.name("posix", "system"), shell), "posix.system"),
        "eval": (w.call(w.name("builtins", "eval"), code), "builtins.eval"),
        "exec, Python 2's name": (w.call(w.name("__builtin__", "exec"), code), "exec"),
        "getattr": (w.call(w.name("builtins", "getattr"), admitted, w.plain("fromkeys")), "getattr"),
        "a path of attributes": (nested, "__globals__"),
        "STACK_GLOBAL": (w.call(stack_global, shell), "os.system"),
        "INST": (b"(" + shell + b"ios\nsystem\n", "INST"),
        "OBJ": (b"(" + w.name("os", "system") + shell + b"o", "os.system"),
        "NEWOBJ": (w.name("subprocess", "Popen") + w.tuple_of(shell) + b"\x81", "subprocess.Popen"),
        "REDUCE of a reduce": (
            w.call(w.call(w.name("functools", "partial"), w.name("os", "system")), shell),
            "functools.partial",
        ),
        "numpy": (w.call(w.name("numpy.f2py", "compile"), shell), "numpy.f2py"),
        "torch itself": (w.call(w.name("torch.serialization", "load"), shell), "torch.serialization.load"),
        "a whole module": (w.name("torch.nn.modules.linear", "Linear"), "torch.nn.modules.linear.Linear"),
    }


HOSTILE = sorted(hostile_programs(Path()))


@both
@pytest.mark.parametrize("attack", HOSTILE)
def test_a_file_that_would_run_code_is_refused(tmp_path: Path, write: Writer, attack: str) -> None:
    made = tmp_path / "made"
    body, named = hostile_programs(made)[attack]
    with pytest.raises(TorchFileError, match="only tensors and plain containers") as caught:
        read(tmp_path, write(w.mapping(weight=body), {}))
    assert named in str(caught.value)
    assert "weights.pth" in str(caught.value)
    assert not made.exists()


def test_the_attack_works_on_a_plain_unpickler(tmp_path: Path) -> None:
    """The hostile programs are real ones: the test above can fail."""
    made = tmp_path / "made"
    body, _ = hostile_programs(made)["os.system"]
    pickle.loads(w.program(w.mapping(weight=body)))
    assert made.exists()


def test_refused_in_every_pickle_of_a_legacy_file(tmp_path: Path) -> None:
    made = tmp_path / "made"
    attack = w.program(w.call(w.name("os", "system"), w.plain(f"touch {made}")))
    values: list[object] = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}, []]
    good = [pickle.dumps(value, 2) for value in values]
    for i in range(len(good)):
        with pytest.raises(TorchFileError, match=r"os\.system"):
            read(tmp_path, b"".join([*good[:i], attack, *good[i + 1 :]]))
    assert not made.exists()
    assert read(tmp_path, b"".join(good)) == {}


@both
@pytest.mark.parametrize(
    "body",
    [
        w.call(w.name("torch._utils", "_rebuild_tensor_v2"), w.plain(1)),
        w.call(w.name("torch._utils", "_rebuild_tensor_v2"), *[w.plain("x")] * 6),
        w.call(w.name("torch", "FloatStorage"), w.plain(3)),
        w.name("collections", "OrderedDict") + b")R" + w.mapping(items=w.plain(1)) + b"b",
        w.plain("storage") + b"Q",
        b"\x94" * 3,
        b"r\xff\xff\xff\xff",
    ],
)
def test_admitted_names_cannot_be_misused(tmp_path: Path, write: Writer, body: bytes) -> None:
    try:
        tree = read(tmp_path, write(w.mapping(weight=body), {}))
    except TorchFileError:
        return
    assert tree == {"weight": {}}  # attributes are ignored


@both
@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (13,), (1,)),
        (1, (12,), (1,)),
        (0, (2, 2), (11, 1)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (10**12,), (0,)),
        (0, (2, 2), (1,)),
        (0, (-2, -2), (1, 1)),
        (0.0, (2,), (1,)),
        (0, (1,) * 70, (1,) * 70),
        (0, [2], [1]),
    ],
)
def test_a_view_outside_its_storage_is_refused(
    tmp_path: Path, write: Writer, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    body = w.mapping(weight=w.tensor(store("0", "float32", 12, write), offset, size, stride))
    with pytest.raises(TorchFileError, match="a tensor"):
        read(tmp_path, write(body, {"0": VALUES}))


@both
def test_a_storage_of_another_length_is_refused(tmp_path: Path, write: Writer) -> None:
    for count in (11, 13, 10**15, -1, True):
        body = w.mapping(weight=w.tensor(store("0", "float32", count, write), 0, (1,), (1,)))
        with pytest.raises(TorchFileError, match=r"stor|truncated|longer"):
            read(tmp_path, write(body, {"0": VALUES}))


@both
def test_truncated_anywhere_is_an_error(tmp_path: Path, write: Writer) -> None:
    body = w.mapping(weight=w.tensor(store("0", "float32", 12, write), 0, (3, 4), (4, 1)))
    data = write(body, {"0": VALUES})
    for stop in range(0, len(data), 7):
        with pytest.raises(TorchFileError, match=r"weights\.pth"):
            read(tmp_path, data[:stop])


def test_a_member_longer_than_its_tensors_say_is_not_read(tmp_path: Path) -> None:
    body = w.mapping(weight=w.tensor(store("0", "float32", 12, w.zipped), 0, (12,), (1,)))
    with pytest.raises(TorchFileError, match="longer than the 48 bytes expected"):
        read(tmp_path, w.zipped(body, {"0": np.zeros(10_000, np.float32)}))


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    data = w.zipped(w.mapping(), {}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(TorchFileError, match="compressed"):
        read(tmp_path, data)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    """Many names for the same bytes: a small file with much in it."""
    shared = store("0", "float32", 1000, w.zipped)
    data = w.zipped(w.mapping(weight=w.tensor(shared, 0, (12,), (1,))), {"0": np.zeros(1000, np.float32)})
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    assert load_torch(path)["weight"].shape == (12,)
    with zipfile.ZipFile(path, "a") as archive:
        twin = copy.copy(archive.getinfo("net/data/0"))
        twin.filename = "net/data/1"
        archive.filelist.append(twin)
        archive.writestr("net/end", "")
    with pytest.raises(TorchFileError, match="its members are compressed or overlap"):
        load_torch(path)


@both
def test_a_pickle_of_more_than_64_mib_is_refused(tmp_path: Path, write: Writer) -> None:
    for length, fits in ((64 * 2**20 - 100, True), (64 * 2**20, False)):
        data = write(w.plain({"note": "x" * length}), {})
        if fits:
            assert read(tmp_path, data) == {"note": "x" * length}
        else:
            with pytest.raises(TorchFileError, match=r"longer than the 67108864 bytes|not a readable file"):
                read(tmp_path, data)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"not a pickle at all", b"\x89HDF\r\n"])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(TorchFileError):
        read(tmp_path, data)


def attacks(write: Writer) -> dict[str, tuple[bytes, str]]:
    """Small files that would crash an unpickler, change it for later files, or take for ever."""
    shared = store("0", "float32", 12, write)
    lists, tuples = b"]q\x00", b")q\x00"
    for i in range(40):
        lists += b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1])
        tuples += b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1])
    longer = w.plain({"count": 10**11}) + b"b"
    rebuild, ordered = w.name("torch._utils", "_rebuild_tensor_v2"), w.name("collections", "OrderedDict")
    repeated = w.tensor(shared, 0, (12,), (1,)) + b"q\x01"
    return {
        "attributes of a storage": (w.tensor(shared + longer, 0, (10**9,), (1,)), "changes a _Storage"),
        "attributes of a type": (w.name("torch", "FloatStorage") + w.plain({"dtype": "x"}) + b"b", "_StorageType"),
        "attributes of a function": (
            w.name("torch._utils", "_rebuild_tensor_v2") + w.plain((None, {"__defaults__": ()})) + b"b",
            "changes a function",
        ),
        "slots of a storage": (
            w.tensor(shared + w.plain((None, {"count": 10**11})) + b"b", 0, (1,), (1,)),
            "changes a",
        ),
        "state of a rebuilt tensor": (w.tensor(shared, 0, (1,), (1,)) + w.plain({"size": (9,)}) + b"b", "a _Tensor"),
        "items of a function": (rebuild + w.plain(1) + w.plain(2) + b"s", "not a readable file"),
        "elements of a function": (rebuild + w.plain(1) + b"a", "not a readable file"),
        "a call of a value": (w.plain("text") + b")R", "not a readable file"),
        "an extension of the registry": (b"\x82\x01", "the opcode EXT1"),
        "an extension, long": (b"\x84\x01\x00\x00\x00", "the opcode EXT4"),
        "a new object": (ordered + b")\x81", "the opcode NEWOBJ"),
        "a set of nested tuples": (b"\x8f(" + w.plain((1,)) + b"\x90", "the opcode EMPTY_SET"),
        "a buffer": (b"\x97", "the opcode NEXT_BUFFER"),
        "a text of a large number": (b"I" + b"9" * 5000 + b"\n", "the opcode INT|not a readable file"),
        "a place in memory far off": (w.plain(1) + b"r\xff\xff\xff\x7f", "number that is too large"),
        "tuples as a key of a call": (
            ordered + b"(](](" + tuples + b"e" + b"etR",
            "not a readable file",
        ),
        "lists by reference": (b"(" + lists + b"tQ", "described by a"),
        "tuples as a key": (b"](" + tuples + b"}h" + bytes([40]) + b"Nse", "a key is a tuple"),
        "one tensor many times": (b"](" + repeated + b"h\x01" * 20_000 + b"e", "repeat its storages"),
        "a long number": (w.tensor(shared, 0, (1 << 20_000,), (1,)), "number that is too large"),
        "a long name": (w.name("os\x1b[2J", "x" * 100_000), r"os\\x1b\[2J"),
        "overlong stride": (w.tensor(shared, 0, (1,), (2**62,)), "a tensor"),
        "an empty tensor of long axes": (w.tensor(shared, 0, (0, 2**47, 2**47), (1, 1, 1)), "a tensor of size"),
    }


@both
@pytest.mark.parametrize("attack", sorted(attacks(w.zipped)))
def test_a_small_file_cannot_exhaust_or_change_the_reader(tmp_path: Path, write: Writer, attack: str) -> None:
    body, message = attacks(write)[attack]
    with pytest.raises(TorchFileError, match=message) as caught:
        read(tmp_path, write(w.mapping(weight=body), {"0": VALUES}))
    assert len(str(caught.value)) < len(str(tmp_path)) + 400
    good = w.mapping(weight=w.tensor(store("0", "float32", 12, write), 0, (12,), (1,)))
    np.testing.assert_array_equal(read(tmp_path, write(good, {"0": VALUES}))["weight"], VALUES)  # type: ignore[index]


def test_lists_that_double_stay_shared(tmp_path: Path) -> None:
    lists = b"]q\x00"
    for i in range(40):
        lists += b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1])
    tree = read(tmp_path, w.zipped(b"](" + lists + b"e", {}))
    assert isinstance(tree, list)
    assert tree[-1][0] is tree[-1][1]


def test_a_file_of_opcodes_without_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egcam_jax.models._pickle._MAX_OPCODES", 1000)
    with pytest.raises(TorchFileError, match="more than 1000 opcodes"):
        read(tmp_path, b"\x80\x02" + b"]" * 5000)


def test_a_container_that_holds_itself_is_refused(tmp_path: Path) -> None:
    ring: list[object] = []
    ring.append(ring)
    with pytest.raises(TorchFileError, match="nested"):
        read(tmp_path, w.zipped(w.plain(ring), {}))


@pytest.mark.parametrize("zipped", [True, False])
def test_what_pytorch_itself_writes(tmp_path: Path, zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    weight = torch.arange(24.0).reshape(2, 3, 4)
    state = {"a": weight.permute(2, 0, 1), "b": torch.nn.Parameter(weight[1]), "c": weight.to(torch.bfloat16)}
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": state, "epoch": 3}, path, _use_new_zipfile_serialization=zipped)
    tree = load_torch(path)["state_dict"]
    for key, value in state.items():
        np.testing.assert_array_equal(tree[key].astype(np.float32), value.detach().float().numpy())
