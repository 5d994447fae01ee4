"""Linear programmes, least cost, solved by HiGHS: the only place that knows the library.

None with whole numbers: of those HiGHS 1.15.1 cuts optima off, with presolve and without
(https://github.com/ERGO-Code/HiGHS/issues/3273).
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import highspy
import numpy as np
from numpy.typing import NDArray

from headrace.model.errors import FatalError

Floats = NDArray[np.float64]


class Term(NamedTuple):
    """A column and its factor in a row."""

    column: int
    factor: float


@dataclass(slots=True)
class Programme:
    """Columns and rows as they are added; all rows say "the sum of these terms is at least 0"."""

    costs: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    indices: list[int] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)

    def columns(self, count: int, *, cost: float) -> range:
        """New columns of 0 or more; returns their numbers."""
        added = self._added(count)
        self.costs.extend([cost] * count)
        self.lower.extend([0.0] * count)
        self.upper.extend([highspy.kHighsInf] * count)
        return added

    def bounded(self, lower: Floats, upper: Floats) -> range:
        """New columns without cost, between these bounds; returns their numbers."""
        added = self._added(len(lower))
        self.costs.extend([0.0] * len(lower))
        self.lower.extend(lower)
        self.upper.extend(upper)
        return added

    def at_least_zero(self, *terms: Term) -> None:
        """A new row."""
        for term in terms:
            self.indices.append(term.column)
            self.factors.append(term.factor)
        self.starts.append(len(self.indices))

    def least(self) -> float:
        """The least cost. Raises FatalError where HiGHS finds none."""
        return _solved(self._model()).objective_function_value

    def _added(self, count: int) -> range:
        return range(len(self.costs), len(self.costs) + count)

    def _model(self) -> highspy.HighsLp:
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(self.costs), len(self.starts) - 1
        model.col_cost_, model.col_lower_, model.col_upper_ = map(
            np.array, (self.costs, self.lower, self.upper)
        )
        model.row_lower_ = np.zeros(model.num_row_)
        model.row_upper_ = np.full(model.num_row_, highspy.kHighsInf)
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = np.array(self.starts, dtype=np.int32)
        model.a_matrix_.index_ = np.array(self.indices, dtype=np.int32)
        model.a_matrix_.value_ = np.array(self.factors)
        return model


def _solved(model: highspy.HighsLp) -> highspy.HighsInfo:
    options = highspy.HighsOptions()
    options.output_flag = False
    options.threads = 1  # the same programme gives the same figure
    solver = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy's only untyped one
    solver.passOptions(options)
    solver.passModel(model)
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise FatalError(
            f"optimum of {model.num_col_} columns and {model.num_row_} rows: HiGHS ended with "
            f"{solver.modelStatusToString(status)}, expected Optimal; report it with the trace"
        )
    return solver.getInfo()
