"""The guest's modules are joined into one, which does what they did."""

import lzma

import pytest
from wasmtime import Config, Engine, Store, wat2wasm
from wasmtime.component import Component, Linker

from tasklaws.sandbox.guest.join import CORE_MODULE, Reader, join
from tasklaws.sandbox.guest_code import read_guest

# As componentize-py links: the table is one module's, its entries another's; addresses lie in globals that nobody
# writes; what is made later is called through the shim's table.
LINKED = """
(component
  (import "emit" (func $emit (param "fd" u32) (param "text" string)))
  (core module $main
    (memory (export "memory") 2)
    (table (export "table") 5 funcref)
    (global (export "stack") (mut i32) (i32.const 1024))
    (global (export "memory_base") i32 (i32.const 2048))
    (global (export "table_base") i32 (i32.const 3))
    (global (export "text") (mut i32) (i32.const 2050))
    (data (i32.const 2048) "__said by the guest"))
  (core module $shim
    (table (export "$imports") 1 1 funcref)
    (type $emit (func (param i32 i32 i32)))
    (func (export "0") (param i32 i32 i32)
      local.get 0 local.get 1 local.get 2 i32.const 0 call_indirect (type $emit)))
  (core module $fixup
    (import "" "$imports" (table 1 1 funcref))
    (import "" "0" (func (param i32 i32 i32)))
    (elem (i32.const 0) func 0))
  (core module $library
    (type $other (func (param i64)))
    (type $take (func (param i32 i32 i32 i32) (result i32)))
    (import "env" "memory" (memory 1))
    (import "env" "stack" (global $stack (mut i32)))
    (global (export "offset") i32 (i32.const 7))
    (func (export "unused") (param i64))
    (func (export "take") (type $take)
      (global.set $stack (i32.add (global.get $stack) (local.get 3)))
      (i32.sub (global.get $stack) (local.get 3)))
    (func (export "post") (param i32)))
  (core module $program
    (import "env" "emit" (func $emit (param i32 i32 i32)))
    (import "env" "memory" (memory 1))
    (import "env" "table" (table 5 funcref))
    (import "env" "text" (global $text (mut i32)))
    (import "env" "table_base" (global $table_base i32))
    (import "env" "memory_base" (global $memory_base i32))
    (import "env" "offset" (global $offset i32))
    (type $add (func (param i32 i32) (result i32)))
    (func $add (type $add) (i32.add (local.get 0) (local.get 1)))
    (elem (global.get $table_base) func $add)
    (func (export "run") (param i32 i32) (result i32) (local $sum i32)
      (call $emit (i32.const 1) (local.get 0) (local.get 1))
      (call $emit (i32.const 2) (global.get $text) (i32.const 17))
      (block $out (loop $again
        (br_table $again $out (i32.gt_u (local.tee $sum (i32.add (local.get $sum) (i32.const 3))) (i32.const 200)))))
      (call_indirect (type $add)
        (local.get $sum) (i32.add (global.get $memory_base) (global.get $offset)) (global.get $table_base))))
  (core instance $shim (instantiate $shim))
  (core instance $main (instantiate $main))
  (core instance $library (instantiate $library (with "env" (instance $main))))
  (core instance $program (instantiate $program (with "env" (instance
    (export "emit" (func $shim "0"))
    (export "memory" (memory $main "memory"))
    (export "table" (table $main "table"))
    (export "text" (global $main "text"))
    (export "table_base" (global $main "table_base"))
    (export "memory_base" (global $main "memory_base"))
    (export "offset" (global $library "offset"))))))
  (alias core export $main "memory" (core memory $memory))
  (core func $lowered (canon lower (func $emit) (memory $memory) string-encoding=utf8))
  (core instance (instantiate $fixup
    (with "" (instance (export "$imports" (table $shim "$imports")) (export "0" (func $lowered))))))
  (func (export "run") (param "program" string) (result u32) (canon lift (core func $program "run") (memory $memory)
    (realloc (core func $library "take")) string-encoding=utf8 (post-return (core func $library "post")))))
"""


def core_modules(component: bytes) -> int:
    return [kind for kind, _ in Reader(component, 8).sections()].count(CORE_MODULE)


def outcome(component: bytes, program: str) -> tuple[int, list[tuple[int, str]], int]:
    config = Config()
    config.consume_fuel = True
    said: list[tuple[int, str]] = []
    engine = Engine(config)
    linker = Linker(engine)
    with linker.root() as root:
        root.add_func("emit", lambda _, stream, text: said.append((stream, text)))
    with Store(engine) as store:
        store.set_fuel(10**6)
        instance = linker.instantiate(store, Component(engine, component))
        before = store.get_fuel()
        result = instance.get_func(store, "run")(store, program)
        return result, said, before - store.get_fuel()


def test_joined_modules_do_what_they_did() -> None:
    linked = wat2wasm(LINKED)
    joined = join(linked)
    assert (core_modules(linked), core_modules(joined)) == (5, 3)
    assert b"unused" not in joined
    assert outcome(joined, "a program") == outcome(linked, "a program")
    assert outcome(joined, "a program")[:2] == (2256, [(1, "a program"), (2, "said by the guest")])


@pytest.mark.parametrize(
    ("some", "other", "message"),
    [
        ('(func (export "unused") (param i64))', "(func $first) (start $first)", "a start function or a tag"),
        ("(i32.gt_u (local", "(memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0)) (i32.gt_u (local", "0xfc 8"),
        ("(mut i32) (i32.const 1024)", "(mut i64) (i64.const 1024)", "constant expression 0x42"),
        ("(data (i32.const 2048)", "(data", "a data segment that is not put into memory 0 at once"),
    ],
)
def test_what_cannot_be_joined_is_refused(some: str, other: str, message: str) -> None:
    assert some in LINKED
    with pytest.raises(ValueError, match=message):
        join(wat2wasm(LINKED.replace(some, other)))


def test_the_guest_is_joined() -> None:
    """Or every program pays for 5,500 entries of a table."""
    assert core_modules(lzma.decompress(read_guest())) == 3
