"""Runs untrusted Python in a WebAssembly guest with a fuel budget: same program, same verdict."""

from tasklaws.sandbox.cache import Verdicts
from tasklaws.sandbox.guest_code import GUEST_SHA256, engine_id
from tasklaws.sandbox.outcome import Verdict
from tasklaws.sandbox.runner import Sandbox, run

__all__ = ["GUEST_SHA256", "Sandbox", "Verdict", "Verdicts", "engine_id", "run"]
