"""Rebuild the sandbox's guest: CPython and app.py as one WebAssembly component, its modules joined, compressed.

Run it with componentize-py 0.25.1 on PATH (`pip install tasklaws[pipeline,guest]`), then put the printed hash into
`GUEST_SHA256` in ../guest_code.py. Two builds of one source differ in their bytes and, by up to a tenth, in
the fuel that a program takes: after a rebuild every score has to be made again.
"""

import lzma
import subprocess
import tempfile
from pathlib import Path

from wasmtime import Engine
from wasmtime.component import Component

from tasklaws.core.files import replacing, sha256_file
from tasklaws.sandbox.guest.join import join

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "guest.wasm.xz"


def main() -> None:
    """Build the guest and print its hash."""
    with tempfile.TemporaryDirectory() as scratch:
        wasm = Path(scratch) / "guest.wasm"
        world = ["--wit-path", "guest.wit", "--world", "guest"]
        options = ["--stub-wasi", "--python-path", ".", "--output", str(wasm)]
        command = ["componentize-py", *world, "componentize", *options, "app"]
        subprocess.run(command, cwd=HERE, check=True)
        joined = join(wasm.read_bytes())
    Component(Engine(), joined)  # raises an error if it is not valid
    packed = lzma.compress(joined, preset=9 | lzma.PRESET_EXTREME)
    with replacing(TARGET) as file:
        file.write(packed)
    print(f'GUEST_SHA256 = "{sha256_file(TARGET)}"  # {len(packed)} bytes')


if __name__ == "__main__":
    main()
