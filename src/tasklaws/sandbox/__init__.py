"""Runs untrusted Python in a WebAssembly guest with a fuel budget: same program, same outcome."""

from tasklaws.sandbox.cache import OutcomeCache
from tasklaws.sandbox.guest_code import GUEST_SHA256, engine_id
from tasklaws.sandbox.outcome import Outcome
from tasklaws.sandbox.runner import Sandbox, run

__all__ = ["GUEST_SHA256", "Outcome", "OutcomeCache", "Sandbox", "engine_id", "run"]
