"""The record of announcements. The gateway tells people; here it is kept, where no restored backup can take it back."""

from lethe_common.database import Database
from lethe_common.rpc.announcements import (
    VERSIONS_MOST,
    Announcement,
    PolicyAnnounceAnswer,
    PolicyAnnouncedAnswer,
    PolicyAnnouncedQuestion,
    PolicyAnnounceQuestion,
)
from lethe_common.services import Service
from lethe_privacy import announcement_queries as queries
from lethe_privacy.subjects import Subjects


class Announcements:
    """Answers what was announced, before this service itself may start on any version."""

    def __init__(self, database: Database, subjects: Subjects) -> None:
        self._database, self._subjects = database, subjects

    async def announce(self, question: PolicyAnnounceQuestion, _caller: Service) -> PolicyAnnounceAnswer:
        """Note that people were told of versions; a text that nobody had to be told of may change."""
        told = question.announcements
        async with self._database.transaction() as tx:
            await tx.execute(
                queries.NOTE,
                [one.version for one in told],
                [one.hash for one in told],
                [one.announced_at for one in told],
            )
        return PolicyAnnounceAnswer()

    async def announced(self, _question: PolicyAnnouncedQuestion, _caller: Service) -> PolicyAnnouncedAnswer:
        """All that was noted. Whoever has keys has an account, or is about to."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch(queries.NOTED, VERSIONS_MOST)
        return PolicyAnnouncedAnswer(
            announcements=tuple(
                Announcement(version=row["version"], hash=row["policy_hash"], announced_at=row["announced_at"])
                for row in rows
            ),
            has_audience=await self._subjects.has_any(),
        )
