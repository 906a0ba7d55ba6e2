"""Join the core modules of a component into one.

componentize-py's component has a module for each library, which meet in a table of 5,500 functions that one of them
owns and another fills: wasmtime does that anew for every program, while entries of a table that a module fills itself
wait until they are used. Instructions stay as they are, but for the numbers of what they name, so a program takes the
fuel that it took before, less what a shim took that only led to another module. A global that nobody writes, in which
a linker left an address, becomes a constant, and what neither the host nor the table can reach is left out.
"""

from dataclasses import dataclass, field

from wasmtime import wat2wasm

FUNCTION, TABLE, MEMORY, GLOBAL = range(4)
CORE_MODULE, CORE_INSTANCE = 0x01, 0x12
TYPES, IMPORTS = 7, 10  # sections of a component
REALLOC, POST_RETURN = 4, 5
END, CALL_INDIRECT, LOCAL_GET, GLOBAL_GET, GLOBAL_SET, I32_CONST, I32_ADD = 0x0B, 0x11, 0x20, 0x23, 0x24, 0x41, 0x6A
VALUE_TYPES = {0x7F, 0x7E, 0x7D, 0x7C, 0x70, 0x6F}
NO_VALUE = 0x40  # a block's type
I32_VARIABLE = b"\x7f\1"
EMIT_TYPE = b"\x60\3\x7f\x7f\x7f\0"
SHIM_TABLE = "$imports"  # by which modules call what is made after them: a fixup fills it
HEADER = b"\0asm\x01\0\0\0"
# The world of guest.wit once more. $door is a shim, $handle its fixup: the shipped guest's bytes hold these names.
WRAPPER = """
(component
  (type $emit (func (param "fd" u32) (param "text" string)))
  (import "emit" (func $emit (type $emit)))
  (core module $main
    (import "" "emit" (func (param i32 i32 i32)))
    (memory (export "memory") 0)
    (func (export "run") (param i32 i32) (result i32) unreachable)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "post") (param i32) unreachable))
  (core module $door
    (table (export "table") 1 1 funcref)
    (type $emit (func (param i32 i32 i32)))
    (func (export "emit") (param i32 i32 i32)
      local.get 0 local.get 1 local.get 2 i32.const 0 call_indirect (type $emit)))
  (core module $handle
    (import "" "table" (table 1 1 funcref))
    (import "" "emit" (func (param i32 i32 i32)))
    (elem (i32.const 0) func 0))
  (core instance $door (instantiate $door))
  (core instance $main (instantiate $main (with "" (instance (export "emit" (func $door "emit"))))))
  (alias core export $main "memory" (core memory $memory))
  (core func $emit (canon lower (func $emit) (memory $memory) string-encoding=utf8))
  (core instance (instantiate $handle
    (with "" (instance (export "table" (table $door "table")) (export "emit" (func $emit))))))
  (type $run (func (param "program" string) (result u32)))
  (func (export "run") (type $run) (canon lift (core func $main "run") (memory $memory)
    (realloc (core func $main "realloc")) string-encoding=utf8 (post-return (core func $main "post"))))
)
"""


class Reader:
    """Bytes of WebAssembly, read from the front."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data, self.at, self.end = data, at, len(data) if end is None else end

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        return self.part(size).rest()

    def part(self, size: int) -> "Reader":
        """A reader of the next `size` bytes alone."""
        self.at += size
        if self.at > self.end:
            raise ValueError("what is longer than its place")
        return Reader(self.data, self.at - size, self.at)

    def rest(self) -> bytes:
        """The bytes not yet read."""
        return self.data[self.at : self.end]

    def close(self) -> None:
        """Refuse bytes not yet read."""
        if self.at != self.end:
            raise ValueError("what is shorter than its place")

    def byte(self) -> int:
        """The next byte."""
        if self.at >= self.end:
            raise ValueError("what is longer than its place")
        self.at += 1
        return self.data[self.at - 1]

    def value_type(self) -> bytes:
        """A value's type of one byte, so without the number of a type."""
        if (kind := self.byte()) not in VALUE_TYPES:
            raise ValueError(f"value type {kind:#x}")
        return bytes([kind])

    def leb128(self) -> int:
        """An unsigned number."""
        result = shift = 0
        while True:
            byte = self.byte()
            result |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return result

    def signed_leb128(self) -> int:
        """A signed number."""
        start = self.at
        value = self.leb128()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) else value

    def name(self) -> str:
        """A name."""
        return self.take(self.leb128()).decode()

    def sections(self) -> list[tuple[int, "Reader"]]:
        """The sections, each with its kind."""
        found = []
        while self.at < self.end:
            found.append((self.byte(), self.part(self.leb128())))
        return found


def leb128(value: int) -> bytes:
    """An unsigned number, encoded."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed_leb128(value: int) -> bytes:
    """A signed number, encoded."""
    out = bytearray()
    while not -64 <= value < 64:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value & 127)
    return bytes(out)


def i32(value: int) -> bytes:
    """The instruction that gives `value`."""
    return bytes([I32_CONST]) + signed_leb128(value)


def listed(items: list[bytes]) -> bytes:
    """The items after their number."""
    return leb128(len(items)) + b"".join(items)


def text(name: str) -> bytes:
    """A name, encoded."""
    return leb128(len(name)) + name.encode()


def section(kind: int, content: bytes) -> bytes:
    """A section, encoded."""
    return bytes([kind]) + leb128(len(content)) + content


@dataclass(frozen=True)
class Definition:
    """A function, table, memory or global: the `index`-th of its kind that `module` defines, or what the host gives."""

    module: int
    index: int


HOST = Definition(-1, 0)


@dataclass
class Module:
    """A core module as it was read: of each kind what it imports, then what it defines."""

    types: list[bytes] = field(default_factory=list)
    imports: list[list[tuple[str, str]]] = field(default_factory=lambda: [[], [], [], []])
    functions: list[int] = field(default_factory=list)
    tables: list[bytes] = field(default_factory=list)
    memories: list[bytes] = field(default_factory=list)
    globals: list[bytes] = field(default_factory=list)
    exports: dict[str, tuple[int, int]] = field(default_factory=dict)
    elements: list[tuple[int, bytes, list[int]]] = field(default_factory=list)
    code: list[Reader] = field(default_factory=list)
    data: list[tuple[bytes, bytes]] = field(default_factory=list)


def limits(reader: Reader) -> bytes:
    """How small and how large a table or memory may be."""
    start = reader.at
    flags = reader.byte()
    if flags > 1:
        raise ValueError(f"limits of kind {flags}")
    reader.leb128()
    if flags & 1:
        reader.leb128()
    return reader.data[start : reader.at]


def expression(reader: Reader) -> bytes:
    """A constant expression: numbers, globals and their sums."""
    start = reader.at
    while (kind := reader.byte()) != END:
        if kind in (I32_CONST, GLOBAL_GET):
            reader.leb128()
        elif kind != I32_ADD:
            raise ValueError(f"constant expression {kind:#x}")
    return reader.data[start : reader.at]


def read_import(reader: Reader, module: Module) -> None:
    """One import, into `module`."""
    origin, kind = (reader.name(), reader.name()), reader.byte()
    if kind == FUNCTION:
        reader.leb128()
    elif kind == TABLE:
        reader.value_type()
        limits(reader)
    elif kind == MEMORY:
        limits(reader)
    elif kind == GLOBAL:
        reader.value_type()
        reader.byte()
    else:
        raise ValueError(f"an import of kind {kind}")
    module.imports[kind].append(origin)


def read_element(reader: Reader, module: Module) -> None:
    """One element segment, into `module`."""
    flags = reader.leb128()
    if flags not in (0, 2):
        raise ValueError(f"element segment of kind {flags}")
    table = reader.leb128() if flags else 0
    offset = expression(reader)
    if flags and reader.byte():
        raise ValueError("element segment of other things than functions")
    module.elements.append((table, offset, [reader.leb128() for _ in range(reader.leb128())]))


def read_item(kind: int, part: Reader, module: Module) -> None:
    """One item of a section, into `module`."""
    start = part.at
    if kind == 1:
        if part.byte() != 0x60:
            raise ValueError("a type that is no function's")
        for _ in range(2):
            for _ in range(part.leb128()):
                part.value_type()
        module.types.append(part.data[start : part.at])
    elif kind == 2:
        read_import(part, module)
    elif kind == 3:
        module.functions.append(part.leb128())
    elif kind == 4:
        module.tables.append(part.value_type() + limits(part))
    elif kind == 5:
        module.memories.append(limits(part))
    elif kind == 6:
        part.value_type()
        part.byte()
        module.globals.append(expression(part))
    elif kind == 7:
        name = part.name()
        module.exports[name] = part.byte(), part.leb128()
    elif kind == 9:
        read_element(part, module)
    elif kind == 10:
        module.code.append(part.part(part.leb128()))
    else:
        if part.leb128():
            raise ValueError("a data segment that is not put into memory 0 at once")
        module.data.append((expression(part), part.take(part.leb128())))


def read_module(reader: Reader) -> Module:
    """A core module."""
    module = Module()
    if reader.take(len(HEADER)) != HEADER:
        raise ValueError("a core module of another version")
    for kind, part in reader.sections():
        if kind in (0, 12):  # custom, count of data segments
            continue
        if kind not in (*range(1, 8), 9, 10, 11):
            raise ValueError("a start function or a tag")
        for _ in range(part.leb128()):
            read_item(kind, part, module)
        part.close()
    if len(module.imports[MEMORY]) + len(module.memories) > 1:
        raise ValueError("a core module with two memories")
    return module


@dataclass
class Component:
    """Core modules, each made once, what their imports are, and the functions that the host calls."""

    modules: list[Module] = field(default_factory=list)
    links: dict[int, dict[tuple[int, str, str], Definition]] = field(default_factory=dict)
    run: Definition = HOST
    realloc: Definition = HOST
    post: Definition = HOST

    def definition(self, kind: int, module: int, index: int) -> Definition:
        """The definition behind `index` in `module`, through any number of imports."""
        imports = self.modules[module].imports[kind]
        if index < len(imports):
            return self.links[module][kind, *imports[index]]
        return Definition(module, index - len(imports))

    def function(self, module: int, index: int) -> Definition:
        """The function behind `index`; of a shim's, what the fixup puts into the slot of the table that it calls."""
        function = self.definition(FUNCTION, module, index)
        if function == HOST or SHIM_TABLE not in self.modules[function.module].exports:
            return function
        shim = self.modules[function.module]
        kind = shim.functions[function.index]
        arguments = b"".join(bytes([LOCAL_GET]) + leb128(n) for n in range(Reader(shim.types[kind], 1).leb128()))
        call = i32(function.index) + bytes([CALL_INDIRECT]) + leb128(kind) + bytes([0, END])
        table = self.definition(TABLE, function.module, 0)
        ((fixup, offset, targets),) = (
            (number, offset, named)
            for number in self.links
            for filled, offset, named in self.modules[number].elements
            if self.definition(TABLE, number, filled) == table
        )
        if shim.code[function.index].rest() != b"\0" + arguments + call or offset != i32(0) + bytes([END]):
            raise ValueError("a shim's function that does not call its own slot")
        return self.definition(FUNCTION, fixup, targets[function.index])


Instance = dict[str, tuple[int, Definition]]


def read_component(data: bytes) -> Component:
    """How the component's core modules are linked; its one import is the host's function."""
    component = Component()
    instances: list[Instance] = []
    spaces: list[list[Definition]] = [[], [], [], []]
    functions: list[tuple[int, ...]] = []  # the component's own: what the import is (), or what its lift names
    run: tuple[int, ...] = ()
    for kind, part in Reader(data, len(HEADER)).sections():
        if kind == CORE_MODULE:
            component.modules.append(read_module(part))
        elif kind == IMPORTS:
            functions.append(())
        elif kind in (2, 6, 8, 11):
            for _ in range(part.leb128()):
                if kind == 2:
                    instances.append(read_instance(part, component, instances, spaces))
                elif kind == 6:
                    read_alias(part, instances, spaces)
                elif kind == 8:
                    read_canonical(part, functions, spaces[FUNCTION])
                elif read_export(part, functions) == "run":
                    run = functions[-1]
            part.close()
        elif kind not in (0, 4, 5, TYPES):  # custom, component, its instance
            raise ValueError(f"a component's section of kind {kind}")
    if not run:
        raise ValueError("no function `run` for the host")
    component.run, component.realloc, component.post = (spaces[FUNCTION][index] for index in run)
    return component


def read_canonical(reader: Reader, functions: list[tuple[int, ...]], core_functions: list[Definition]) -> None:
    """A function of the component made of a core function, or the other way round."""
    lowers, _, function = reader.byte(), reader.byte(), reader.leb128()
    options = {}
    for _ in range(reader.leb128()):
        option = reader.byte()
        if option not in (0, 3, REALLOC, POST_RETURN):  # UTF-8 and the memory
            raise ValueError(f"canonical option {option}")
        options[option] = reader.leb128() if option else 0
    if not lowers:
        reader.leb128()
        functions.append((function, options[REALLOC], options[POST_RETURN]))
    elif lowers > 1 or functions[function] or HOST in core_functions:
        raise ValueError("more that leads to the host than one function")
    else:
        core_functions.append(HOST)


def read_export(reader: Reader, functions: list[tuple[int, ...]]) -> str:
    """The name of what the component exports; a function counts once more among `functions`."""
    reader.byte()
    name, kind, index, typed = reader.name(), reader.byte(), reader.leb128(), reader.byte()
    if kind == 0 or typed:
        raise ValueError(f"an export {name} of a core module, or with a type")
    if kind == 1:
        functions.append(functions[index])
    return name


def read_instance(
    reader: Reader, component: Component, instances: list[Instance], spaces: list[list[Definition]]
) -> Instance:
    """What a core instance exports."""
    if (form := reader.byte()) == 1:
        named = [(reader.name(), reader.byte(), reader.leb128()) for _ in range(reader.leb128())]
        return {name: (kind, spaces[kind][index]) for name, kind, index in named}
    module = reader.leb128()
    if form:
        raise ValueError(f"a core instance of kind {form}")
    if module in component.links:
        raise ValueError("a core module that is made twice")
    component.links[module] = links = {}
    for _ in range(reader.leb128()):
        name, kind = reader.name(), reader.byte()
        if kind != CORE_INSTANCE:
            raise ValueError(f"a module is given something of kind {kind:#x}")
        for export, (sort, definition) in instances[reader.leb128()].items():
            links[sort, name, export] = definition
    exports = component.modules[module].exports.items()
    return {name: (kind, component.definition(kind, module, index)) for name, (kind, index) in exports}


def read_alias(reader: Reader, instances: list[Instance], spaces: list[list[Definition]]) -> None:
    """A core instance's export, into its space."""
    core, kind, target = reader.byte(), reader.byte(), reader.byte()
    if core or target != 1:
        raise ValueError("an alias of something else than a core instance's export")
    spaces[kind].append(instances[reader.leb128()][reader.name()][1])


# What follows an instruction's own byte, by letter: block type, number that stays, function, type, table (x), global,
# value type, 4 or 8 bytes. After the other bytes that are KNOWN comes nothing; FOLLOWING_FC has what follows the second
# byte.
FOLLOWING: dict[int, str] = {
    **dict.fromkeys((0x02, 0x03, 0x04), "b"),
    **dict.fromkeys((0x0C, 0x0D, 0x20, 0x21, 0x22, 0x3F, 0x40), "n"),
    **dict.fromkeys((0x23, 0x24), "g"),
    **dict.fromkeys((0x25, 0x26), "x"),
    **dict.fromkeys(range(0x28, 0x3F), "nn"),
    **{0x10: "f", 0x11: "tx", 0x41: "n", 0x42: "n", 0x43: "4", 0x44: "8", 0xD0: "v", 0xD2: "f"},
}
FOLLOWING_FC: dict[int, str] = {**dict.fromkeys(range(8), ""), 10: "nn", 11: "n", 15: "x", 16: "x", 17: "x"}
KNOWN = {0x00, 0x01, 0x05, 0x0B, 0x0F, 0x1A, 0x1B, 0xD1, *range(0x45, 0xC5), *FOLLOWING}
Relocation = tuple[int, int, str, int]  # from, to, letter (of a global "get" or "set", its instruction included), index


def relocations(body: Reader) -> list[Relocation]:
    """Where a function's code names a function, a type, a table or a global."""
    reader, found = Reader(body.data, body.at, body.end), []
    for _ in range(reader.leb128()):
        reader.leb128()
        reader.value_type()
    while reader.at < reader.end:
        start = reader.at
        instruction = reader.byte()
        if instruction == 0x0E:
            for _ in range(reader.leb128() + 1):
                reader.leb128()
            continue
        second = reader.leb128() if instruction == 0xFC else -1
        if second not in FOLLOWING_FC and instruction not in KNOWN:
            raise ValueError(f"instruction {instruction:#x} {second}")
        for letter in FOLLOWING_FC[second] if second >= 0 else FOLLOWING.get(instruction, ""):
            at = reader.at
            if letter in "48":
                reader.take(int(letter))
                continue
            if letter == "b":
                if reader.data[at] == NO_VALUE:
                    reader.byte()
                    continue
                letter = "v" if reader.data[at] & 0xC0 == 0x40 else "t"
            if letter == "v":
                reader.value_type()
                continue
            value = reader.leb128()
            if letter == "g":
                found.append((start, reader.at, "set" if instruction == GLOBAL_SET else "get", value))
            elif letter != "n":
                found.append((at, reader.at, letter, value))
    return found


class Joined:
    """One module of all that the exported functions and the table's entries can reach."""

    def __init__(self, component: Component) -> None:
        self.component = component
        self.relocations: dict[Definition, list[Relocation]] = {}
        self.written: set[Definition] = set()
        self.types: dict[bytes, int] = {}
        self.globals: dict[Definition, int] = {}
        self.tables: dict[Definition, int] = {}
        self.elements = [
            (number, element)
            for number in component.links
            for element in component.modules[number].elements
            if not self._in_shim(component.definition(TABLE, number, element[0]))
        ]
        self._read([component.run, component.realloc, component.post])
        self.kept = sorted(self.relocations, key=lambda function: (function.module, function.index))
        self.functions = {function: place for place, function in enumerate([HOST, *self.kept])}

    def _in_shim(self, table: Definition) -> bool:
        return SHIM_TABLE in self.component.modules[table.module].exports

    def _read(self, waiting: list[Definition]) -> None:
        """Find what the functions in `waiting`, those in tables and those that these call name."""
        component = self.component
        waiting += [component.function(module, f) for module, (_, _, named) in self.elements for f in named]
        while waiting:
            function = waiting.pop()
            if function == HOST or function in self.relocations:
                continue
            code = component.modules[function.module].code[function.index]
            self.relocations[function] = relocations(code)
            for _, _, kind, index in self.relocations[function]:
                if kind == "f":
                    waiting.append(component.function(function.module, index))
                elif kind == "set":
                    self.written.add(component.definition(GLOBAL, function.module, index))

    def type(self, module: int, index: int) -> int:
        """The joined module's number of a type."""
        return self.types.setdefault(self.component.modules[module].types[index], len(self.types))

    def table(self, module: int, index: int) -> int:
        """The joined module's number of a table."""
        table = self.component.definition(TABLE, module, index)
        if self._in_shim(table):
            raise ValueError("a shim's table that others use too")
        return self.tables.setdefault(table, len(self.tables))

    def constant(self, module: int, content: bytes) -> int:
        """The value of a constant expression."""
        reader, stack = Reader(content), []
        while (kind := reader.byte()) != END:
            if kind == I32_CONST:
                stack.append(reader.signed_leb128())
            elif kind == I32_ADD:
                stack.append(stack.pop() + stack.pop())
            else:
                stack.append(self.start(self.component.definition(GLOBAL, module, reader.leb128())))
        (value,) = stack
        return (value + 2**31) % 2**32 - 2**31

    def start(self, variable: Definition) -> int:
        """A global's first value."""
        return self.constant(variable.module, self.component.modules[variable.module].globals[variable.index])

    def access(self, module: int, kind: str, index: int) -> bytes:
        """The instruction that reads or writes a global, or the constant that it is if nobody writes it."""
        variable = self.component.definition(GLOBAL, module, index)
        if variable not in self.written:
            return i32(self.start(variable))
        place = self.globals.setdefault(variable, len(self.globals))
        return bytes([GLOBAL_SET if kind == "set" else GLOBAL_GET]) + leb128(place)

    def body(self, function: Definition) -> bytes:
        """A function's code, its numbers the joined module's."""
        module, code = function.module, self.component.modules[function.module].code[function.index]
        out, at = bytearray(), code.at
        for start, end, kind, index in self.relocations[function]:
            out += code.data[at:start]
            if kind == "f":
                out += leb128(self.functions[self.component.function(module, index)])
            elif kind == "t":
                out += signed_leb128(self.type(module, index))
            elif kind == "x":
                out += leb128(self.table(module, index))
            else:
                out += self.access(module, kind, index)
            at = end
        out += code.data[at : code.end]
        return leb128(len(out)) + out

    def element(self, module: int, table: int, offset: bytes, named: list[int]) -> bytes:
        """An element segment, its numbers the joined module's."""
        place = self.table(module, table)
        start = i32(self.constant(module, offset)) + bytes([END])
        functions = listed([leb128(self.functions[self.component.function(module, f)]) for f in named])
        return b"\0" + start + functions if place == 0 else b"\2" + leb128(place) + start + b"\0" + functions

    def encode(self) -> bytes:
        """The module, of which the host calls `run`, `realloc` and `post`."""
        component, modules = self.component, self.component.modules
        emit = self.types.setdefault(EMIT_TYPE, len(self.types))
        signatures = [leb128(self.type(f.module, modules[f.module].functions[f.index])) for f in self.kept]
        bodies = [self.body(function) for function in self.kept]
        elements = [self.element(module, *element) for module, element in self.elements]
        data = [
            b"\0" + i32(self.constant(module, offset)) + bytes([END]) + leb128(len(content)) + content
            for module in component.links
            for offset, content in modules[module].data
        ]
        exports = {"run": component.run, "realloc": component.realloc, "post": component.post}
        exported = [
            text(name) + bytes([FUNCTION]) + leb128(self.functions[function]) for name, function in exports.items()
        ]
        (memory,) = (memory for module in component.links for memory in modules[module].memories)
        parts = [
            (1, list(self.types)),
            (2, [text("") + text("emit") + bytes([FUNCTION]) + leb128(emit)]),
            (3, signatures),
            (4, [modules[table.module].tables[table.index] for table in self.tables]),
            (5, [memory]),
            (6, [I32_VARIABLE + i32(self.start(variable)) + bytes([END]) for variable in self.globals]),
            (7, [text("memory") + bytes([MEMORY, 0]), *exported]),
            (9, elements),
            (10, bodies),
            (11, data),
        ]
        return HEADER + b"".join(section(kind, listed(items)) for kind, items in parts)


def join(data: bytes) -> bytes:
    """The component `data` with its core modules joined; what this cannot read raises ValueError."""
    data, wrapper = bytes(data), bytes(wat2wasm(WRAPPER))
    sections = [(kind, part.rest()) for kind, part in Reader(wrapper, len(HEADER)).sections()]
    given = [(kind, part.rest()) for kind, part in Reader(data, len(HEADER)).sections()]
    world = [part for part in sections if part[0] in (TYPES, IMPORTS)]
    imports = [kind for kind, _ in given].count(IMPORTS)
    if data[: len(HEADER)] != wrapper[: len(HEADER)] or imports != 1 or any(part not in given for part in world):
        raise ValueError("no component of guest.wit's world")
    try:
        joined = Joined(read_component(data)).encode()
    except (IndexError, KeyError) as error:
        raise ValueError("a component that names what it does not have") from error
    main = next(place for place, (kind, _) in enumerate(sections) if kind == CORE_MODULE)
    sections[main] = CORE_MODULE, joined
    return wrapper[: len(HEADER)] + b"".join(section(kind, content) for kind, content in sections)
