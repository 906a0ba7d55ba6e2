"""The guest's modules are joined into one, which does what they did."""

import lzma

import pytest
from wasmtime import Config, Engine, Store, wat2wasm
from wasmtime.component import Component, Linker

from tasklaws.sandbox.guest.join import CORE_MODULE, Reader, join, signed_leb128
from tasklaws.sandbox.guest_code import read_guest

# As componentize-py links: the table is one module's, its entries another's; addresses lie in globals that nobody
# writes; what is made later is called through the shim's table. $early, defined last and made first, is written over.
UNREACHABLE = 0x1234567890ABCDEF
MANY = range(70)  # types, so that the numbers of some take two bytes
LINKED = f"""
(component
  (import "emit" (func $emit (param "fd" u32) (param "text" string)))
  (core module $main
    (memory (export "memory") 2)
    (table (export "table") 5 funcref)
    (global (export "stack") (mut i32) (i32.const 1024))
    (global (export "noted") (mut i32) (i32.const 30))
    (global (export "memory_base") i32 (i32.const 2048))
    (global (export "table_base") i32 (i32.const 3))
    (global (export "text") (mut i32) (i32.const 2050)))
  (core module $shim
    (table (export "$imports") 2 2 funcref)
    (type $emit (func (param i32 i32 i32)))
    (func (export "0") (type $emit)
      local.get 0 local.get 1 local.get 2 i32.const 0 call_indirect (type $emit))
    (func (export "1") (type $emit)
      local.get 0 local.get 1 local.get 2 i32.const 1 call_indirect (type $emit)))
  (core module $fixup
    (import "" "$imports" (table 2 2 funcref))
    (import "" "0" (func (param i32 i32 i32)))
    (import "" "1" (func (param i32 i32 i32)))
    (elem (i32.const 0) func 0 1))
  (core module $library
    (type $take (func (param i32 i32 i32 i32) (result i32)))
    {" ".join(f"(type $many{n} (func (param {'i64 ' * n})))" for n in MANY)}
    (type $swap (func (param i32 i32) (result i32 i32)))
    (import "env" "memory" (memory 1))
    (import "env" "table" (table 5 funcref))
    (import "env" "noted" (global $noted (mut i32)))
    (import "env" "stack" (global $stack (mut i32)))
    (global (export "offset") i32 (i32.const 7))
    (func (export "unused") (param i64) (drop (i64.const {UNREACHABLE})))
    (func $many unreachable {" ".join(f"(call_indirect (type $many{n}))" for n in MANY)})
    (elem (i32.const 1) func $many)
    (func (export "note") (param i32 i32 i32)
      (local.get 0) (i32.add (global.get $noted) (local.get 2))
      (block (type $swap) (local.set 0) (local.set 1) (local.get 0) (local.get 1))
      i32.sub (global.set $noted))
    (func (export "take") (type $take)
      (global.set $stack (i32.add (global.get $stack) (local.get 3)))
      (i32.sub (global.get $stack) (local.get 3)))
    (func (export "other") (param i32 i32) (result i32) unreachable)
    (func (export "post") (param i32)))
  (core module $program
    (type $pair (func (param i32 i32) (result i32 i32)))
    (import "env" "emit" (func $emit (param i32 i32 i32)))
    (import "env" "note" (func $note (param i32 i32 i32)))
    (import "env" "memory" (memory 1))
    (import "env" "table" (table 5 funcref))
    (import "env" "text" (global $text (mut i32)))
    (import "env" "table_base" (global $table_base i32))
    (import "env" "memory_base" (global $memory_base i32))
    (import "env" "offset" (global $offset i32))
    (import "env" "noted" (global $noted (mut i32)))
    (type $add (func (param i32 i32) (result i32)))
    (table $own 1 funcref)
    (func $add (type $add) (i32.add (local.get 0) (local.get 1)))
    (func $subtract (type $add) (i32.sub (local.get 0) (local.get 1)))
    (elem (global.get $table_base) func $add)
    (elem (table $own) (i32.const 0) func $subtract)
    (data (i32.const 2050) "said by the guest")
    (func (export "run") (param i32 i32) (result i32) (local $sum i32)
      (call $emit (i32.const 1) (local.get 0) (local.get 1))
      (call $emit (i32.const 2) (global.get $text) (i32.const 17))
      (call $note (i32.const 5) (i32.const 0) (local.get 1))
      (block $out (loop $again
        (br_table $again $out (i32.gt_u (local.tee $sum (i32.add (local.get $sum) (i32.const 3))) (i32.const 200)))))
      (call_indirect (type $add)
        (local.get $sum) (i32.add (global.get $memory_base) (global.get $offset)) (global.get $table_base))
      (global.get $noted)
      (block (type $pair) (i32.const 1000) i32.mul)
      i32.add
      (call_indirect $own (type $add) (i32.const 4) (i32.const 0))))
  (core module $early
    (type $add (func (param i32 i32) (result i32)))
    (import "env" "memory" (memory 1))
    (import "env" "table" (table 5 funcref))
    (func $wrong (type $add) unreachable)
    (elem (i32.const 3) func $wrong)
    (data (i32.const 2050) "written over later"))
  (core module $never
    (memory 1)
    (table 5 funcref)
    (func $wrong)
    (elem (i32.const 0) func $wrong)
    (data (i32.const 2050) "never written"))
  (core instance $shim (instantiate $shim))
  (core instance $main (instantiate $main))
  (core instance (instantiate $early (with "env" (instance $main))))
  (core instance $library (instantiate $library (with "env" (instance $main))))
  (core instance $program (instantiate $program (with "env" (instance
    (export "emit" (func $shim "0"))
    (export "note" (func $shim "1"))
    (export "memory" (memory $main "memory"))
    (export "table" (table $main "table"))
    (export "text" (global $main "text"))
    (export "noted" (global $main "noted"))
    (export "table_base" (global $main "table_base"))
    (export "memory_base" (global $main "memory_base"))
    (export "offset" (global $library "offset"))))))
  (alias core export $main "memory" (core memory $memory))
  (core func $lowered (canon lower (func $emit) (memory $memory) string-encoding=utf8))
  (core instance (instantiate $fixup (with "" (instance
    (export "$imports" (table $shim "$imports"))
    (export "0" (func $lowered))
    (export "1" (func $library "note"))))))
  (type $run (func (param "program" string) (result u32)))
  (func (export "run") (type $run) (canon lift (core func $program "run") (memory $memory)
    (realloc (core func $library "take")) string-encoding=utf8 (post-return (core func $library "post"))))
  (func $other (type $run) (canon lift (core func $library "other") (memory $memory)
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
    assert (core_modules(linked), core_modules(joined)) == (7, 3)
    *did, fuel = outcome(linked, "a program")
    assert did == [36252, [(1, "a program"), (2, "said by the guest")]]
    shim = 6  # instructions by which `note` was called
    assert outcome(joined, "a program") == (*did, fuel - shim)


def test_what_nothing_reaches_is_left_out() -> None:
    linked, constant = wat2wasm(LINKED), signed_leb128(UNREACHABLE)
    assert constant in linked
    assert constant not in join(linked)


SLOTS = "local.get 2 i32.const 0 call_indirect", "local.get 2 i32.const 1 call_indirect"


@pytest.mark.parametrize(
    ("some", "other", "message"),
    [
        ('(func (export "unused") (param i64)', "(func $first) (start $first) (func (param i64)", "a start function"),
        ("(i32.gt_u (local", "(memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0)) (i32.gt_u (local", "0xfc 8"),
        ("(mut i32) (i32.const 1024)", "(mut i64) (i64.const 1024)", "constant expression 0x42"),
        ('(data (i32.const 2050) "said', '(data "said', "a data segment that is not put into memory 0 at once"),
        ('(func (export "run") (type $run)', '(func (export "walk") (type $run)', "no function `run`"),
        (
            "(func $emit) (memory $memory) string-encoding=utf8",
            "(func $emit) (memory $memory) string-encoding=utf16",
            "1",
        ),
        ('"run") (memory $memory)', '"run") (memory $memory) string-encoding=utf16', "canonical option 1"),
        (' (post-return (core func $library "post"))', "", "names what it does not have"),
        (SLOTS[0], SLOTS[1], "its own slot"),
        (SLOTS[1], SLOTS[0], "its own slot"),
        ("(elem (i32.const 0) func 0 1)", "(elem (i32.const 1) func 0 1)", "its own slot"),
        ("(elem (i32.const 0) func 0 1)", "(elem (i32.const 0) func 0)", "names what it does not have"),
        ("(table $own 1 funcref)", "(table $own 1 funcref (ref.null func))", "value type 0x40"),
        ("(br_table", "(drop (ref.null $add)) (br_table", "value type"),
        ("(local $sum i32)", "(local $sum i32) (local (ref null $add))", "value type 0x63"),
        ("(block $out", "(drop (block (result (ref null $add)) unreachable)) (block $out", "value type 0x63"),
        ("(memory 1)\n    (table 5 funcref)", '(import "" "" (tag))', "an import of kind 4"),
        ('(param "fd" u32)', '(param "fd" s32)', "guest.wit"),
    ],
)
def test_what_cannot_be_joined_is_refused(some: str, other: str, message: str) -> None:
    assert some in LINKED
    with pytest.raises(ValueError, match=message):
        join(wat2wasm(LINKED.replace(some, other)))


@pytest.mark.parametrize("size", [16, 18])
def test_what_does_not_end_where_it_says_is_refused(size: int) -> None:
    linked = bytes(wat2wasm(LINKED))
    text = b"said by the guest"
    assert linked.count(bytes([len(text)]) + text) == 1
    with pytest.raises(ValueError, match="than its place"):
        join(linked.replace(bytes([len(text)]) + text, bytes([size]) + text))


def test_the_guest_is_joined() -> None:
    """Or every program pays for 5,500 entries of a table."""
    assert core_modules(lzma.decompress(read_guest())) == 3
