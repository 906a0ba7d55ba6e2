"""Join the core modules of a component into one.

componentize-py's component has a module for each library, which meet in a table of 5,500 functions that one of them
owns and another fills: wasmtime does that anew for every program, while entries of a table that a module fills itself
wait until they are used. Instructions stay as they are, but for the numbers of what they name, so a program takes the
fuel that it took before. A global that nobody writes, in which a linker left an address, becomes a constant, and what
neither the host nor the table can reach is left out.
"""

from dataclasses import dataclass, field

from wasmtime import wat2wasm

FUNCTION, TABLE, MEMORY, GLOBAL = range(4)
CORE_MODULE, CORE_INSTANCE, INSTANTIATE = 0x01, 0x12, 0x00
I32_CONST, I32_ADD, GLOBAL_GET, GLOBAL_SET, END = 0x41, 0x6A, 0x23, 0x24, 0x0B
I32_VARIABLE = b"\x7f\1"
EMIT_TYPE = b"\x60\3\x7f\x7f\x7f\0"
FIXUP = "", "$imports"  # the table by which modules call what is made after them
HEADER = b"\0asm\x01\0\0\0"
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

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        result = shift = 0
        while True:
            byte = self.byte()
            result |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return result

    def signed(self) -> int:
        start = self.at
        number = self.number()
        bits = 7 * (self.at - start)
        return number - (1 << bits) if number >> (bits - 1) else number

    def take(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]

    def name(self) -> str:
        return self.take(self.number()).decode()

    def sections(self) -> list[tuple[int, "Reader"]]:
        found = []
        while self.at < self.end:
            kind, size = self.byte(), self.number()
            found.append((kind, Reader(self.data, self.at, self.at + size)))
            self.at += size
        return found


def number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> bytes:
    out = bytearray()
    while not -64 <= value < 64:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value & 127)
    return bytes(out)


def i32(value: int) -> bytes:
    return bytes([I32_CONST]) + signed(value)


def listed(items: list[bytes]) -> bytes:
    return number(len(items)) + b"".join(items)


def text(name: str) -> bytes:
    return number(len(name)) + name.encode()


def section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + number(len(content)) + content


@dataclass(frozen=True)
class Thing:
    """A function, table, memory or global: the `index`-th of its kind that `module` defines, or what the host gives."""

    module: int
    index: int


HOST = Thing(-1, 0)


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
    start = reader.at
    flags = reader.byte()
    reader.number()
    if flags & 1:
        reader.number()
    return reader.data[start : reader.at]


def expression(reader: Reader) -> bytes:
    """A constant expression: numbers, globals and their sums."""
    start = reader.at
    while (kind := reader.byte()) != END:
        if kind in (I32_CONST, GLOBAL_GET):
            reader.number()
        elif kind != I32_ADD:
            raise ValueError(f"constant expression {kind:#x}")
    return reader.data[start : reader.at]


def read_imports(reader: Reader, module: Module) -> None:
    for _ in range(reader.number()):
        origin, kind = (reader.name(), reader.name()), reader.byte()
        if kind == FUNCTION:
            reader.number()
        elif kind == TABLE:
            reader.byte()
            limits(reader)
        elif kind == MEMORY:
            limits(reader)
        else:
            reader.take(2)
        module.imports[kind].append(origin)


def read_elements(reader: Reader, module: Module) -> None:
    for _ in range(reader.number()):
        flags = reader.number()
        if flags not in (0, 2):
            raise ValueError(f"element segment of kind {flags}")
        table = reader.number() if flags else 0
        offset = expression(reader)
        if flags and reader.byte():
            raise ValueError("element segment of other things than functions")
        module.elements.append((table, offset, [reader.number() for _ in range(reader.number())]))


def read_module(reader: Reader) -> Module:
    module = Module()
    reader.at += len(HEADER)
    for kind, part in reader.sections():
        if kind in (0, 12):  # custom, count of data segments
            continue
        if kind in (8, 13):
            raise ValueError("a start function or a tag")
        if kind == 2:
            read_imports(part, module)
            continue
        if kind == 9:
            read_elements(part, module)
            continue
        for _ in range(part.number()):
            start = part.at
            if kind == 1:
                if part.byte() != 0x60:
                    raise ValueError("a type that is no function's")
                part.take(part.number())
                part.take(part.number())
                module.types.append(part.data[start : part.at])
            elif kind == 3:
                module.functions.append(part.number())
            elif kind == 4:
                module.tables.append(part.take(1) + limits(part))
            elif kind == 5:
                module.memories.append(limits(part))
            elif kind == 6:
                part.take(2)
                module.globals.append(expression(part))
            elif kind == 7:
                name = part.name()
                module.exports[name] = part.byte(), part.number()
            elif kind == 10:
                size = part.number()
                module.code.append(Reader(part.data, part.at, part.at + size))
                part.at += size
            elif kind == 11:
                if part.number():
                    raise ValueError("a data segment that is not put into memory 0 at once")
                module.data.append((expression(part), part.take(part.number())))
    return module


@dataclass
class Component:
    """Core modules, each made once, what their imports are, and the functions that the host calls."""

    modules: list[Module] = field(default_factory=list)
    links: dict[int, dict[tuple[int, str, str], Thing]] = field(default_factory=dict)
    run: Thing = HOST
    realloc: Thing = HOST
    post: Thing = HOST

    def thing(self, kind: int, module: int, index: int) -> Thing:
        """The definition behind `index` in `module`, through any number of imports."""
        imports = self.modules[module].imports[kind]
        if index < len(imports):
            return self.links[module][kind, *imports[index]]
        return Thing(module, index - len(imports))

    def function(self, module: int, index: int) -> Thing:
        """The function behind `index`; of one that only calls the table that the fixup fills, what it finds there."""
        function = self.thing(FUNCTION, module, index)
        if function == HOST or FIXUP[1] not in self.modules[function.module].exports:
            return function
        (fixup,) = (n for n, module in enumerate(self.modules) if FIXUP in module.imports[TABLE])
        ((_, _, targets),) = self.modules[fixup].elements
        return self.thing(FUNCTION, fixup, targets[function.index])


def read_component(data: bytes) -> Component:
    """How the component's core modules are linked; its one import is the host's function, its last export `run`."""
    component = Component()
    instances: list[dict[str, tuple[int, Thing]]] = []
    spaces: list[list[Thing]] = [[], [], [], []]
    lifted: tuple[int, ...] = ()
    for kind, part in Reader(data, len(HEADER)).sections():
        if kind == CORE_MODULE:
            component.modules.append(read_module(part))
        elif kind == 2:
            for _ in range(part.number()):
                instances.append(read_instance(part, component, instances, spaces))
        elif kind == 6:
            for _ in range(part.number()):
                read_alias(part, instances, spaces)
        elif kind == 8:
            for _ in range(part.number()):
                lowers, _, function = part.byte(), part.byte(), part.number()
                options = dict(read_option(part) for _ in range(part.number()))
                if lowers:
                    spaces[FUNCTION].append(HOST)
                else:  # the last is `run`
                    part.number()
                    lifted = function, options[4], options[5]
                if lowers > 1 or spaces[FUNCTION].count(HOST) > 1:
                    raise ValueError("more that leads to the host than one function")
    component.run, component.realloc, component.post = (spaces[FUNCTION][index] for index in lifted)
    return component


def read_option(reader: Reader) -> tuple[int, int]:
    kind = reader.byte()
    return kind, reader.number() if kind > 2 else 0


def read_instance(
    reader: Reader, component: Component, instances: list[dict[str, tuple[int, Thing]]], spaces: list[list[Thing]]
) -> dict[str, tuple[int, Thing]]:
    if reader.byte() != INSTANTIATE:
        named = [(reader.name(), reader.byte(), reader.number()) for _ in range(reader.number())]
        return {name: (kind, spaces[kind][index]) for name, kind, index in named}
    module = reader.number()
    if module in component.links:
        raise ValueError("a core module that is made twice")
    component.links[module] = links = {}
    for _ in range(reader.number()):
        name, kind = reader.name(), reader.byte()
        if kind != CORE_INSTANCE:
            raise ValueError(f"a module is given something of kind {kind:#x}")
        for export, (sort, thing) in instances[reader.number()].items():
            links[sort, name, export] = thing
    exports = component.modules[module].exports.items()
    return {name: (kind, component.thing(kind, module, index)) for name, (kind, index) in exports}


def read_alias(reader: Reader, instances: list[dict[str, tuple[int, Thing]]], spaces: list[list[Thing]]) -> None:
    core = reader.byte() == 0
    kind = reader.byte() if core else 0
    if reader.byte() == 2:  # of an outer component: a type
        reader.number()
        reader.number()
        return
    instance, name = reader.number(), reader.name()
    if core:
        spaces[kind].append(instances[instance][name][1])


# What follows an instruction's own byte, by letter: block type, number that stays, function, type, table (x), global,
# 4 or 8 bytes. After the other bytes that are KNOWN comes nothing; FOLLOWING_FC has what follows the second byte.
FOLLOWING: dict[int, str] = {
    **dict.fromkeys((0x02, 0x03, 0x04), "b"),
    **dict.fromkeys((0x0C, 0x0D, 0x20, 0x21, 0x22, 0x3F, 0x40), "n"),
    **dict.fromkeys((0x23, 0x24), "g"),
    **dict.fromkeys((0x25, 0x26), "x"),
    **dict.fromkeys(range(0x28, 0x3F), "nn"),
    **{0x10: "f", 0x11: "tx", 0x41: "n", 0x42: "n", 0x43: "4", 0x44: "8", 0xD0: "n", 0xD2: "f"},
}
FOLLOWING_FC: dict[int, str] = {**dict.fromkeys(range(8), ""), 10: "nn", 11: "n", 15: "x", 16: "x", 17: "x"}
KNOWN = {0x00, 0x01, 0x05, 0x0B, 0x0F, 0x1A, 0x1B, 0xD1, *range(0x45, 0xC5), *FOLLOWING}
Mention = tuple[int, int, str, int]  # from, to, letter (of a global "get" or "set", its instruction included), index


def mentions(body: Reader) -> list[Mention]:
    """Where a function's code names a function, a type, a table or a global."""
    reader, found = Reader(body.data, body.at, body.end), []
    for _ in range(reader.number()):
        reader.number()
        reader.byte()
    while reader.at < reader.end:
        start = reader.at
        instruction = reader.byte()
        if instruction == 0x0E:
            for _ in range(reader.number() + 1):
                reader.number()
            continue
        second = reader.number() if instruction == 0xFC else -1
        if second not in FOLLOWING_FC and instruction not in KNOWN:
            raise ValueError(f"instruction {instruction:#x} {second}")
        for letter in FOLLOWING_FC[second] if second >= 0 else FOLLOWING.get(instruction, ""):
            at = reader.at
            if letter in "48":
                reader.take(int(letter))
                continue
            if letter == "b":
                if reader.data[at] & 0xC0 == 0x40:
                    reader.byte()
                    continue
                letter = "t"
            value = reader.number()
            if letter == "g":
                found.append((start, reader.at, "set" if instruction == GLOBAL_SET else "get", value))
            elif letter != "n":
                found.append((at, reader.at, letter, value))
    return found


class Joined:
    """One module of all that the exported functions and the table's entries can reach."""

    def __init__(self, component: Component) -> None:
        self.component = component
        self.mentions: dict[Thing, list[Mention]] = {}
        self.written: set[Thing] = set()
        self.types: dict[bytes, int] = {}
        self.globals: dict[Thing, int] = {}
        self.tables: dict[Thing, int] = {}
        self.elements = [
            (number, element)
            for number, module in enumerate(component.modules)
            if FIXUP not in module.imports[TABLE]
            for element in module.elements
        ]
        self._read([component.run, component.realloc, component.post])
        self.kept = sorted(self.mentions, key=lambda thing: (thing.module, thing.index))
        self.functions = {thing: place for place, thing in enumerate([HOST, *self.kept])}

    def _read(self, waiting: list[Thing]) -> None:
        """Find what the functions in `waiting`, those in tables and those that these call mention."""
        component = self.component
        waiting += [component.function(module, f) for module, (_, _, named) in self.elements for f in named]
        while waiting:
            function = waiting.pop()
            if function == HOST or function in self.mentions:
                continue
            code = component.modules[function.module].code[function.index]
            self.mentions[function] = mentions(code)
            for _, _, kind, index in self.mentions[function]:
                if kind == "f":
                    waiting.append(component.function(function.module, index))
                elif kind == "set":
                    self.written.add(component.thing(GLOBAL, function.module, index))

    def type(self, module: int, index: int) -> int:
        return self.types.setdefault(self.component.modules[module].types[index], len(self.types))

    def table(self, module: int, index: int) -> int:
        return self.tables.setdefault(self.component.thing(TABLE, module, index), len(self.tables))

    def constant(self, module: int, content: bytes) -> int:
        """The value of a constant expression."""
        reader, stack = Reader(content), [0]
        while (kind := reader.byte()) != END:
            if kind == I32_CONST:
                stack.append(reader.signed())
            elif kind == I32_ADD:
                stack.append(stack.pop() + stack.pop())
            else:
                variable = self.component.thing(GLOBAL, module, reader.number())
                if variable in self.written:
                    raise ValueError("a start value that is written later")
                stack.append(self.start(variable))
        return (stack.pop() + 2**31) % 2**32 - 2**31

    def start(self, variable: Thing) -> int:
        """A global's first value."""
        return self.constant(variable.module, self.component.modules[variable.module].globals[variable.index])

    def access(self, module: int, kind: str, index: int) -> bytes:
        """The instruction that reads or writes a global, or the constant that it is if nobody writes it."""
        variable = self.component.thing(GLOBAL, module, index)
        if variable not in self.written:
            return i32(self.start(variable))
        place = self.globals.setdefault(variable, len(self.globals))
        return bytes([GLOBAL_SET if kind == "set" else GLOBAL_GET]) + number(place)

    def body(self, function: Thing) -> bytes:
        module, code = function.module, self.component.modules[function.module].code[function.index]
        out, at = bytearray(), code.at
        for start, end, kind, index in self.mentions[function]:
            out += code.data[at:start]
            if kind == "f":
                out += number(self.functions[self.component.function(module, index)])
            elif kind == "t":
                out += signed(self.type(module, index))
            elif kind == "x":
                out += number(self.table(module, index))
            else:
                out += self.access(module, kind, index)
            at = end
        out += code.data[at : code.end]
        return number(len(out)) + out

    def element(self, module: int, table: int, offset: bytes, named: list[int]) -> bytes:
        place = self.table(module, table)
        start = i32(self.constant(module, offset)) + bytes([END])
        functions = listed([number(self.functions[self.component.function(module, f)]) for f in named])
        return b"\0" + start + functions if place == 0 else b"\2" + number(place) + start + b"\0" + functions

    def encode(self) -> bytes:
        """The module, of which the host calls `run`, `realloc` and `post`."""
        component, modules = self.component, self.component.modules
        emit = self.types.setdefault(EMIT_TYPE, len(self.types))
        signatures = [number(self.type(f.module, modules[f.module].functions[f.index])) for f in self.kept]
        bodies = [self.body(function) for function in self.kept]
        elements = [self.element(module, *element) for module, element in self.elements]
        data = [
            b"\0" + i32(self.constant(module, offset)) + bytes([END]) + number(len(content)) + content
            for module, read in enumerate(modules)
            for offset, content in read.data
        ]
        exports = {"run": component.run, "realloc": component.realloc, "post": component.post}
        exported = [text(name) + bytes([FUNCTION]) + number(self.functions[thing]) for name, thing in exports.items()]
        (memory,) = (memory for module in modules for memory in module.memories)
        parts = [
            (1, list(self.types)),
            (2, [text("") + text("emit") + bytes([FUNCTION]) + number(emit)]),
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
    wrapper = bytes(wat2wasm(WRAPPER))
    out, modules = bytearray(wrapper[: len(HEADER)]), [Joined(read_component(bytes(data))).encode()]
    for kind, part in Reader(wrapper, len(HEADER)).sections():
        first = kind == CORE_MODULE and modules
        out += section(kind, modules.pop() if first else part.data[part.at : part.end])
    return bytes(out)
