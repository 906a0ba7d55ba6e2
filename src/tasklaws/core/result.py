"""What every verb's result can do: tell a person, tell a program, draw itself."""

import html
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Result(ABC):
    """A result of a verb; give its dataclass `repr=False`, so that it shows as its summary."""

    @abstractmethod
    def summary(self) -> str:
        """A report for a person, in lines."""

    @abstractmethod
    def to_dict(self) -> dict[str, object]:
        """The same for a program, in plain JSON types."""

    @abstractmethod
    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw it on `ax`, or on axes of a new figure, and return the axes."""

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"


def axes_or_new(ax: "Axes | None") -> "Axes":
    """`ax`, or the axes of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # a third of a second, which results that nobody draws need not

    return plt.subplots(layout="constrained")[1]
