"""Runs untrusted Python in a WebAssembly guest with a fuel budget: same program, same verdict."""

from tasklaws.sandbox.guest_code import GUEST_SHA256, engine_id
from tasklaws.sandbox.runner import Sandbox, run
from tasklaws.sandbox.verdict import Verdict
from tasklaws.sandbox.verdicts import Verdicts

__all__ = ["GUEST_SHA256", "Sandbox", "Verdict", "Verdicts", "engine_id", "run"]
