"""Filters as SQL conditions. Values are always bound, never part of the text."""

from __future__ import annotations

from sightsound.filters import NUMBER_FIELDS, WORD_FIELDS, AllButOne, Condition, Filters
from sightsound.stores.fields import AFTER, clean, sortable_date
from sightsound.stores.refusals import check_condition
from sightsound.stores.rows import SEEN, SEEN_OR_FAILED

_COMPARISONS = {"is": "=", ">=": ">=", "<=": "<="}


def where(filters: Filters, failed: bool = False) -> tuple[str, list[str | float]]:
    """A condition on `items i` that holds for items that search can find and all filters, and its values.

    failed: also for items that failed and can't be found.
    """
    clauses, values = [SEEN_OR_FAILED if failed else SEEN], list[str | float]()
    for one in filters:
        clause, bound = _clause(one) if isinstance(one, Condition) else _all_but_one(one)
        clauses.append(clause)
        values += bound
    return " AND ".join(clauses), values


def _all_but_one(groups: AllButOne) -> tuple[str, list[str | float]]:
    made = [[_clause(condition) for condition in group] for group in groups.groups]
    counted = " + ".join(f"(({' AND '.join(clause for clause, _ in group)}) IS TRUE)" for group in made)
    values = [value for group in made for _, bound in group for value in bound]
    return f"{counted} >= {len(made) - 1}", values


def query_of(condition: Condition) -> tuple[str, list[str | float]]:
    """A query for the rowids of the items for which one condition holds, and its values.

    Some of the items may be none that search can find, and some may come several times.
    """
    clause, values = _clause(condition)
    if condition.field in WORD_FIELDS and condition.field != "kind" and condition.values:
        return _words_query(condition), values
    return f"SELECT i.rowid FROM items i WHERE {clause}", values


def _clause(condition: Condition) -> tuple[str, list[str | float]]:
    check_condition(condition)
    if not condition.values:
        return "0", []
    if condition.field == "date":
        parts = [_date(condition.operator, str(value)) for value in condition.values]
        return "(" + " OR ".join(part for part, _ in parts) + ")", [v for _, values in parts for v in values]
    if condition.field in NUMBER_FIELDS:
        return _number(condition)
    return _word(condition)


def _word(condition: Condition) -> tuple[str, list[str | float]]:
    folded: list[str | float] = [clean(str(value)).casefold() for value in condition.values]
    if condition.field == "kind":
        return f"i.kind IN ({_marks(condition)})", folded
    return f"i.rowid IN ({_words_query(condition)})", [condition.field, *folded]


def _words_query(condition: Condition) -> str:
    return f"SELECT item FROM words WHERE field = ? AND folded IN ({_marks(condition)})"


def _marks(condition: Condition) -> str:
    return ", ".join("?" * len(condition.values))


def _number(condition: Condition) -> tuple[str, list[str | float]]:
    numbers: list[str | float] = [float(value) for value in condition.values]
    # The field is one of NUMBER_FIELDS, which are columns.
    if condition.operator == "between":
        return "(" + " OR ".join([f"i.{condition.field} BETWEEN ? AND ?"] * (len(numbers) // 2)) + ")", numbers
    comparison = f"i.{condition.field} {_COMPARISONS[condition.operator]} ?"
    return "(" + " OR ".join([comparison] * len(numbers)) + ")", numbers


def _date(operator: str, value: str) -> tuple[str, list[str | float]]:
    date = sortable_date(value)
    if operator == ">=":
        return "i.date >= ?", [date]
    if operator == "<=":
        return "(i.date != '' AND i.date < ?)", [date + AFTER]
    return "(i.date >= ? AND i.date < ?)", [date, date + AFTER]
