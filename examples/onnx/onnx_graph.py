"""An ONNX graph under construction, and tensors that record what is done.

A :class:`Tensor` behaves like an array without numbers: ``left @ right``
adds a node to the graph and gives the tensor that will hold its result.
Python numbers and tuples stay what they are, so sizes that are known become
constants, and sizes that are not known become tensors of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper, shape_inference

#: The version of ONNX's set of operators.
OPSET = 18
#: The oldest format of a file that has these operators.
IR_VERSION = helper.find_min_ir_version_for([helper.make_opsetid("", OPSET)])

#: A size of a tensor: a number, a name, or not known.
Size = int | str | None


class ExportError(Exception):
    """A model that cannot be exported. The message says what stops it."""


class NotExpressibleError(ExportError):
    """ONNX has nothing for what the model does."""


class NotDoneError(ExportError):
    """ONNX has something for it, but it is not written here."""


class Tensor:
    """A tensor of the graph, of which type and rank are known.

    Attributes
    ----------
    graph
        The graph that the tensor belongs to.
    name, dtype, shape
        Its name in the file, the type of its elements, and its sizes.
    symbol
        For a tensor that holds a size: the name of this size, or None.
    """

    __array_ufunc__ = None  # So NumPy's numbers leave operators to us.

    def __init__(
        self,
        graph: Graph,
        name: str,
        dtype: np.dtype,
        shape: tuple[Size, ...],
        symbol: str | None = None,
    ) -> None:
        self.graph, self.name, self.symbol = graph, name, symbol
        self.dtype, self.shape = np.dtype(dtype), tuple(shape)

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}{list(self.shape)}"

    @property
    def rank(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    @property
    def kind(self) -> str:
        """``b`` for truth values, ``i`` for integers, ``f`` for floats."""
        return "i" if self.dtype.kind == "u" else self.dtype.kind

    def size(self, axis: int) -> int | Tensor:
        """The size of an axis: a number if it is known, else a tensor."""
        size = self.shape[axis]
        if isinstance(size, int):
            return size
        return self.graph.size(self, axis % self.rank)

    def sizes(self) -> tuple[int | Tensor, ...]:
        """The size of each axis."""
        return tuple(self.size(axis) for axis in range(self.rank))

    def known(self, axis: int, what: str) -> int:
        """The size of an axis that has to be fixed.

        Raises
        ------
        NotDoneError
            If it is not.
        """
        size = self.shape[axis]
        if not isinstance(size, int):
            raise NotDoneError(
                f"{what} needs a fixed size, but axis {axis} has none"
            )
        return size

    def cast(self, dtype: Any) -> Tensor:
        """The same numbers in another type."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        to = helper.np_dtype_to_tensor_dtype(dtype)
        return self.graph.add("Cast", self, to=to)

    def as_float(self) -> Tensor:
        """The tensor itself, or its numbers as floats."""
        return self if self.kind == "f" else self.cast(self.graph.float)

    # Arithmetic. Python calls these methods for the signs + - * and so on.

    def __add__(self, other: Any) -> Tensor:
        return self.graph.elementwise("Add", self, other)

    def __radd__(self, other: Any) -> Tensor:
        return self.graph.elementwise("Add", other, self)

    def __sub__(self, other: Any) -> Tensor:
        return self.graph.elementwise("Sub", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return self.graph.elementwise("Sub", other, self)

    def __mul__(self, other: Any) -> Tensor:
        return self.graph.elementwise("Mul", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return self.graph.elementwise("Mul", other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return self.graph.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return self.graph.divide(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return self.graph.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return self.graph.floor_divide(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return self.graph.modulo(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return self.graph.modulo(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return self.graph.elementwise("Pow", self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return self.graph.elementwise("Pow", other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return self.graph.elementwise("MatMul", self, other)

    def __neg__(self) -> Tensor:
        return self.graph.add("Neg", self)

    def __abs__(self) -> Tensor:
        return self.graph.add("Abs", self)

    # Bits: ONNX shifts unsigned numbers only, so shifts are multiplications.

    def __lshift__(self, other: Any) -> Tensor:
        return self * 2**other

    def __rshift__(self, other: Any) -> Tensor:
        return self // 2**other

    def __and__(self, other: Any) -> Tensor:
        return self.graph.bitwise("And", self, other)

    def __or__(self, other: Any) -> Tensor:
        return self.graph.bitwise("Or", self, other)

    def __xor__(self, other: Any) -> Tensor:
        return self.graph.bitwise("Xor", self, other)

    def __invert__(self) -> Tensor:
        return self.graph.bitwise("Not", self)

    # Comparisons. Python turns 1 < tensor into tensor > 1.

    def __lt__(self, other: Any) -> Tensor:
        return self.graph.compare("Less", self, other)

    def __le__(self, other: Any) -> Tensor:
        return self.graph.compare("LessOrEqual", self, other)

    def __gt__(self, other: Any) -> Tensor:
        return self.graph.compare("Greater", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return self.graph.compare("GreaterOrEqual", self, other)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return self.graph.compare("Equal", self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return ~(self == other)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise NotExpressibleError(
            f"a Python condition on {self.name}, which is not known yet"
        )

    # Shapes.

    @property
    def T(self) -> Tensor:  # noqa: N802
        """With its axes in reverse order."""
        return self.transpose(*reversed(range(self.rank)))

    def transpose(self, *axes: int) -> Tensor:
        """With its axes in this order."""
        order = [axis % self.rank for axis in axes]
        return self.graph.add("Transpose", self, perm=order)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """With two axes exchanged."""
        order = list(range(self.rank))
        order[axis1], order[axis2] = order[axis2], order[axis1]
        return self.transpose(*order)

    def reshape(self, shape: int | Tensor | Sequence[int | Tensor]) -> Tensor:
        """With these sizes, of which one may be -1."""
        sizes = shape if isinstance(shape, list | tuple) else (shape,)
        target = self.graph.vector(sizes)
        zero = {"allowzero": 1} if 0 in map(number, sizes) else {}
        made = self.graph.add("Reshape", self, target, **zero)
        shape = list(map(symbol, sizes))
        for axis, size in enumerate(shape):
            if size in (None, -1):
                shape[axis] = made.shape[axis]
        return self.graph.shaped(made, shape)

    def item(self) -> Tensor:
        """The only element, as a tensor without axes."""
        return self.reshape(())

    def __getitem__(self, index: Any) -> Tensor:
        return self.graph.take(self, index)


def number(size: Any) -> int | None:
    """A size as a number, or None if it is a tensor."""
    return None if isinstance(size, Tensor) else int(size)


def symbol(size: Any) -> Size:
    """A size as it stands in a shape: a number, a name or None."""
    return size.symbol if isinstance(size, Tensor) else int(size)


class Graph:
    """Nodes, weights and constants in the order in which they were added.

    Parameters
    ----------
    precision
        Bits of numbers that take no type from the inputs, as on a backend.
    backend
        The backend whose results the graph has to give.
    """

    def __init__(self, precision: int = 32, backend: str = "numpy") -> None:
        self.backend = backend
        self.float = np.dtype(f"float{precision}")
        self.integer = np.dtype(f"int{precision}")
        self.scope = "graph"
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[Tensor] = []
        self.arrays: dict[str, np.ndarray] = {}
        self._types: dict[str, onnx.TypeProto] = {}
        self._values: dict[str, onnx.TensorProto] = {}
        self._constants: dict[Any, Tensor] = {}
        self._sizes: dict[Any, Tensor] = {}
        self._count = 0

    # Tensors that no node makes.

    def input(self, name: str, dtype: Any, shape: Sequence[Size]) -> Tensor:
        """An input of the graph."""
        tensor = self.known(name, np.dtype(dtype), tuple(shape))
        self.inputs.append(tensor)
        return tensor

    def weight(self, name: str, value: np.ndarray) -> Tensor:
        """An array that the file contains under a name."""
        self.arrays[name] = np.ascontiguousarray(value).reshape(value.shape)
        return self.known(name, value.dtype, value.shape)

    def constant(self, value: Any, dtype: Any = None) -> Tensor:
        """A number or an array, which the file contains once."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"/constant/{len(self._constants)}"
            self._constants[key] = self.weight(name, array)
            if array.size <= 64:  # Enough for shapes.
                proto = numpy_helper.from_array(self.arrays[name], name)
                self._values[name] = proto
        return self._constants[key]

    def tensor(self, value: Any) -> Tensor:
        """A value as a tensor of the graph."""
        if isinstance(value, Tensor):
            return value
        if isinstance(value, list | tuple):
            return self.stack(value)
        if isinstance(value, bool | np.ndarray | np.generic):
            return self.constant(value)
        if isinstance(value, int | float):
            kind = np.int64 if isinstance(value, int) else self.float
            return self.constant(value, kind)
        raise NotExpressibleError(f"a value that is no tensor: {value!r}")

    def stack(self, values: Sequence[Any]) -> Tensor:
        """Values of one kind along a new first axis."""
        if not any(isinstance(value, Tensor) for value in flat(values)):
            array = np.asarray(values)
            if array.dtype.kind not in "bif":
                message = f"a value that is no tensor: {values!r}"
                raise NotExpressibleError(message)
            floats = array.dtype.kind == "f"
            return self.constant(array.astype(self.float) if floats else array)
        parts = self.match(*map(self.tensor, values))
        return self.add("Concat", *(part[None] for part in parts), axis=0)

    def vector(self, sizes: Sequence[int | Tensor]) -> Tensor:
        """Sizes as a tensor with one axis, as ONNX takes shapes."""
        if not any(isinstance(size, Tensor) for size in sizes):
            return self.constant([int(size) for size in sizes], np.int64)
        parts = []
        for size in sizes:
            part = size if isinstance(size, Tensor) else int(size)
            part = self.tensor(part).cast(np.int64)
            parts.append(self.add("Unsqueeze", part, self.vector([0])))
        return self.add("Concat", *parts, axis=0)

    def size(self, tensor: Tensor, axis: int) -> Tensor:
        """A size that is not known, as a tensor. Equal names share it."""
        name = tensor.shape[axis]
        key = name or (tensor.name, axis)
        if key not in self._sizes:
            found = self.add("Shape", tensor, start=axis, end=axis + 1)
            made = self.add("Squeeze", found, self.vector([0]))
            made.symbol = name if isinstance(name, str) else None
            self._sizes[key] = made
        return self._sizes[key]

    # Nodes.

    def add(self, op: str, *inputs: Any, **attributes: Any) -> Tensor:
        """Add a node, and give the tensor that holds its first output.

        ONNX itself says what type and shape the output has, and refuses
        inputs that do not fit.

        Raises
        ------
        NotExpressibleError
            If ONNX refuses the inputs.
        """
        names = [self.tensor(value).name for value in inputs]
        schema = defs.get_schema(op, OPSET, "")
        self._count += 1
        output = f"/{self.scope}/{op}_{self._count}"
        unused = [f"{output}/{n}" for n in range(1, schema.min_output)]
        node = helper.make_node(
            op, names, [output, *unused], output, **attributes
        )
        try:
            types = shape_inference.infer_node_outputs(
                schema,
                node,
                {name: self._types[name] for name in names},
                {n: self._values[n] for n in names if n in self._values},
                opset_imports=[helper.make_opsetid("", OPSET)],
                ir_version=IR_VERSION,
            )
        except shape_inference.InferenceError as error:
            reason = str(error).split("\n")[0]
            raise NotExpressibleError(f"{op}: {reason}") from error
        self.nodes.append(node)
        self._types[output] = types[output]
        found = types[output].tensor_type
        dtype = helper.tensor_dtype_to_np_dtype(found.elem_type)
        return Tensor(self, output, dtype, tuple(map(dim, found.shape.dim)))

    def repeat(
        self,
        count: int,
        states: Sequence[Tensor],
        body: Callable[..., Sequence[Tensor]],
    ) -> list[Tensor]:
        """Run nodes several times, with the operator Loop.

        Parameters
        ----------
        count
            How often.
        states
            What the first run starts from.
        body
            From the states to the next ones, of the same types and sizes.
        """
        outer, sizes = self.nodes, dict(self._sizes)
        self._count += 1
        name, self.nodes = f"/{self.scope}/Loop_{self._count}", []
        step = self.known(f"{name}/step", np.int64, ())
        again = self.known(f"{name}/again", bool, ())
        inner = [
            self.known(f"{name}/state_{n}", state.dtype, state.shape)
            for n, state in enumerate(states)
        ]
        results = [again, *body(*inner)]
        ends = [describe(self.add("Identity", made)) for made in results]
        starts = [describe(tensor) for tensor in (step, again, *inner)]
        graph = helper.make_graph(self.nodes, name, starts, ends)
        self.nodes, self._sizes = outer, sizes
        values = [self.constant(count, np.int64), self.constant(True)]
        names = [value.name for value in (*values, *states)]
        outputs = [f"{name}/{n}" for n in range(len(states))]
        node = helper.make_node("Loop", names, outputs, name, body=graph)
        self.nodes.append(node)
        return [
            self.known(output, state.dtype, state.shape)
            for output, state in zip(outputs, states, strict=True)
        ]

    def is_newest(self, tensor: Tensor) -> bool:
        """Whether the last node made this tensor, and it has no name yet."""
        made = self.nodes and self.nodes[-1].output[0] == tensor.name
        return bool(made) and tensor.name.startswith("/")

    def rename(self, tensor: Tensor, name: str) -> Tensor:
        """Give the output of the newest node another name."""
        self.nodes[-1].output[0] = name
        self._types[name] = self._types.pop(tensor.name)
        tensor.name = name
        return tensor

    def match(self, *values: Any) -> list[Tensor]:
        """Values as tensors of one type: ONNX converts none by itself.

        Floats win over integers, integers over truth values, and a plain
        Python number takes the type of the tensors beside it.
        """
        tensors = [value for value in values if isinstance(value, Tensor)]
        kinds = {kind_of(value) for value in values}
        kind = next(k for k in "fib" if k in kinds)
        same = [value.dtype for value in tensors if value.kind == kind]
        default = {"f": self.float, "i": self.integer, "b": np.dtype(bool)}
        dtype = np.result_type(*same) if same else default[kind]
        return [
            v.cast(dtype) if isinstance(v, Tensor) else self.constant(v, dtype)
            for v in values
        ]

    def elementwise(self, op: str, *values: Any) -> Tensor:
        """A node whose inputs must have one type."""
        return self.add(op, *self.match(*values))

    def divide(self, left: Any, right: Any) -> Tensor:
        """The quotient as a float; ONNX would round that of integers."""
        left, right = self.match(left, right)
        return self.add("Div", left.as_float(), right.as_float())

    def modulo(self, left: Any, right: Any) -> Tensor:
        """The remainder with the sign of the divisor, as in Python."""
        left, right = self.match(left, right)
        if left.kind != "f":
            return self.add("Mod", left, right)
        rest = self.add("Mod", left, right, fmod=1)
        fix = (rest != 0) & ((rest < 0) != (right < 0))
        return self.add("Where", fix, rest + right, rest)

    def floor_divide(self, left: Any, right: Any) -> Tensor:
        """The quotient rounded down, as Python rounds it.

        ``Floor(left / right)`` would be wrong where the division rounds up
        to a whole number: 1.0 // 0.1 is 9. MLX rounds that way.
        """
        left, right = self.match(left, right)
        if self.backend == "mlx" and left.kind == "f":
            return self.add("Floor", self.add("Div", left, right))
        whole = self.add("Div", left - left % right, right)
        return self.add("Round", whole) if left.kind == "f" else whole

    def bitwise(self, op: str, *values: Any) -> Tensor:
        """And, Or, Xor or Not, of truth values or of bits."""
        values = tuple(self.match(*values))
        bits = "" if values[0].kind == "b" else "Bitwise"
        return self.add(bits + op, *values)

    def compare(self, op: str, left: Any, right: Any) -> Tensor:
        """A comparison; ONNX has no order of truth values."""
        left, right = self.match(left, right)
        if left.kind == "b" and op != "Equal":
            left, right = left.cast(np.int32), right.cast(np.int32)
        return self.add(op, left, right)

    def reduce(
        self,
        op: str,
        value: Tensor,
        axis: int | Sequence[int] | None,
        keepdim: bool = False,
    ) -> Tensor:
        """A node that reduces these axes, or all of them."""
        keep = {"keepdims": int(keepdim)}
        if axis is None:
            return self.add(op, value, **keep)
        axes = axis if isinstance(axis, list | tuple) else [axis]
        return self.add(op, value, self.vector(list(axes)), **keep)

    def where(self, condition: Any, yes: Any, no: Any) -> Tensor:
        """Elements of one or the other."""
        condition = self.tensor(condition).cast(bool)
        return self.add("Where", condition, *self.match(yes, no))

    def expand(self, value: Tensor, sizes: Sequence[int | Tensor]) -> Tensor:
        """A tensor that is repeated until it has these sizes."""
        made = self.add("Expand", value, self.vector(sizes))
        return self.shaped(made, list(map(symbol, sizes)))

    def shaped(self, tensor: Tensor, shape: Sequence[Size]) -> Tensor:
        """A tensor of which more is known than ONNX found."""
        return self.known(tensor.name, tensor.dtype, tuple(shape))

    def range(self, stop: int | Tensor) -> Tensor:
        """The integers below a size."""
        if isinstance(stop, int):
            return self.constant(np.arange(stop), np.int64)
        return self.add("Range", 0, stop, 1)

    def take(self, value: Tensor, index: Any) -> Tensor:
        """What ``value[index]`` gives: NumPy's indexing as ONNX nodes.

        Raises
        ------
        NotDoneError
            For an index of truth values, and for several tensors.
        """
        parts = list(index) if isinstance(index, tuple) else [index]
        used = sum(p is not None and p is not Ellipsis for p in parts)
        whole = [slice(None)] * (value.rank - used)
        if any(part is Ellipsis for part in parts):
            at = next(n for n, p in enumerate(parts) if p is Ellipsis)
            parts[at : at + 1] = whole
        else:
            parts += whole
        axes = [part for part in parts if part is not None]
        others = sum(not isinstance(part, slice) for part in parts)
        if others > 1 and any(rank(part) > 0 for part in axes):
            raise NotDoneError("an index of several tensors")
        value = self.slices(value, axes)
        for axis in reversed(range(len(axes))):
            part = axes[axis]
            if not isinstance(part, slice):
                value = self.add("Gather", value, self.index(part), axis=axis)
        kept = [p for p in parts if p is None or isinstance(p, slice)]
        new = [n for n, part in enumerate(kept) if part is None]
        return self.add("Unsqueeze", value, self.vector(new)) if new else value

    def index(self, value: Any) -> Tensor:
        """Places as ONNX takes them: with 32 or 64 bits.

        Raises
        ------
        NotDoneError
            For truth values.
        """
        places = self.tensor(value)
        if places.kind != "i":
            raise NotDoneError("an index of truth values")
        wide = places.dtype in (np.int32, np.int64)
        return places if wide else places.cast(np.int64)

    def slices(self, value: Tensor, axes: Sequence[Any]) -> Tensor:
        """All slices of an index, as one node."""
        columns: list[tuple[Any, Any, int, Any]] = []
        largest = np.iinfo(np.int64).max
        for axis, part in enumerate(axes):
            if not isinstance(part, slice):
                continue
            if part.start is part.stop is part.step is None:
                continue
            step = 1 if part.step is None else part.step
            back = isinstance(step, int) and step < 0
            ends = (largest, -largest) if back else (0, largest)
            start = ends[0] if part.start is None else part.start
            stop = ends[1] if part.stop is None else part.stop
            columns.append((start, stop, axis, step))
        if not columns:
            return value
        rows = [self.vector(row) for row in zip(*columns, strict=True)]
        return self.add("Slice", value, *rows)

    # The end.

    def build(self, outputs: dict[str, Any], name: str) -> onnx.ModelProto:
        """The finished model with these outputs, by name."""
        self.scope = "output"
        infos = []
        for key, value in outputs.items():
            made = self.tensor(value)
            if made.name != key:
                made = self.rename(self.add("Identity", made), key)
            infos.append(describe(made))
        used = set(names_read(self.nodes))
        arrays = [
            numpy_helper.from_array(array, name)
            for name, array in self.arrays.items()
            if name in used
        ]
        inputs = [describe(tensor) for tensor in self.inputs]
        graph = helper.make_graph(self.nodes, name, inputs, infos, arrays)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="mithril",
        )

    def known(self, name: str, dtype: Any, shape: tuple[Size, ...]) -> Tensor:
        """A tensor with this name, whose type and shape are known."""
        element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self._types[name] = helper.make_tensor_type_proto(element, shape)
        return Tensor(self, name, dtype, shape)


def dim(size: Any) -> Size:
    """A size as ONNX writes it, as a number, a name or None."""
    if size.HasField("dim_value"):
        return size.dim_value
    return size.dim_param or None


def names_read(nodes: Iterable[onnx.NodeProto]) -> Iterable[str]:
    """The names of all inputs of nodes, also inside of loops."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            yield from names_read(attribute.g.node)


def describe(tensor: Tensor) -> onnx.ValueInfoProto:
    """An input or an output as the file tells it."""
    element = helper.np_dtype_to_tensor_dtype(tensor.dtype)
    return helper.make_tensor_value_info(tensor.name, element, tensor.shape)


def flat(values: Iterable[Any]) -> Iterable[Any]:
    """The elements of nested lists and tuples."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from flat(value)
        else:
            yield value


def rank(index: Any) -> int:
    """How many axes a part of an index has."""
    return index.rank if isinstance(index, Tensor) else np.ndim(index)


def kind_of(value: Any) -> str:
    """``b``, ``i`` or ``f``, for a tensor or a number."""
    if isinstance(value, Tensor):
        return value.kind
    return np.asarray(value).dtype.kind
