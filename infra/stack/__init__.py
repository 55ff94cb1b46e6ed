"""The servers onhand runs on, started from Python: for the demo, the tests and a first look."""

from infra.stack.endpoints import Endpoints
from infra.stack.errors import StackError
from infra.stack.stack import EmbeddedStack

__all__ = ["EmbeddedStack", "Endpoints", "StackError"]
