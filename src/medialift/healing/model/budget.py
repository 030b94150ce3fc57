"""The tokens that all questions of a day may take together, counted in the ledger for all hosts.

What a question may take at most is set aside before it is asked, and what it took is settled after it. A
process that dies between the two has spent what it set aside: the budget is never exceeded by an accident.
Days are those of UTC, by the database's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from medialift.queueing.database import unreachable

# One statement: two hosts that ask at the same moment never pass the limit together.
_RESERVE = text("""
insert into model_usage as day (day, tokens, asked)
select (now() at time zone 'utc')::date, :tokens, 1 where :tokens <= :limit
on conflict (day) do update set tokens = day.tokens + excluded.tokens, asked = day.asked + 1
 where day.tokens + excluded.tokens <= :limit
returning day
""")
_SETTLE = text("update model_usage set tokens = greatest(0, tokens + :more) where day = :day")
_SPENT = text("select coalesce(sum(tokens), 0) from model_usage where day = (now() at time zone 'utc')::date")


@dataclass(frozen=True)
class Reservation:
    """Tokens that are set aside for one question, on the day on which it was asked."""

    day: date
    tokens: int


class Budget:
    """Args:
    limit: tokens of one day.
    """

    def __init__(self, engine: Engine, limit: int) -> None:
        self._engine, self.limit = engine, limit

    def reserve(self, tokens: int) -> Reservation | None:
        """Set so many tokens aside; None when that is more than the day has left.

        Raises:
            Transient: the database does not answer.
        """
        try:
            with self._engine.begin() as connection:
                day = connection.execute(
                    _RESERVE, {"tokens": tokens, "limit": self.limit}
                ).scalar_one_or_none()
        except OperationalError as error:
            raise unreachable(error) from error
        return None if day is None else Reservation(day, tokens)

    def settle(self, reservation: Reservation, spent: int) -> None:
        """Count what the question really took instead of what was set aside for it; more is possible.

        Raises:
            Transient: the database does not answer; what was set aside stays spent.
        """
        if spent == reservation.tokens:
            return
        try:
            with self._engine.begin() as connection:
                connection.execute(_SETTLE, {"more": spent - reservation.tokens, "day": reservation.day})
        except OperationalError as error:
            raise unreachable(error) from error

    def spent(self) -> int:
        """Tokens that this day has taken so far, what is set aside included.

        Raises:
            Transient: the database does not answer.
        """
        try:
            with self._engine.connect() as connection:
                return int(connection.execute(_SPENT).scalar_one())
        except OperationalError as error:
            raise unreachable(error) from error
