from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from lethe_common.policy import load_book
from lethe_gateway.notices import Coming, Notices
from lethe_gateway.words import load_words
from tests.unit.common.policy_files import in_two_versions, shipped_policy

EFFECTIVE = datetime(2027, 1, 1, tzinfo=UTC)


def notices(tmp_path: Path) -> Notices:
    folder = in_two_versions(tmp_path / "profile", EFFECTIVE.isoformat(), ("free: P7D", "free: P8D"))
    return Notices(load_book(folder), load_words(), "https://video.example.org")


def content(mail: EmailMessage) -> str:
    body = mail.get_body()
    assert body is not None
    return str(body.get_content())


def test_a_change_is_told_in_words_in_each_language_of_the_policy_that_promised_it(tmp_path: Path) -> None:
    mail = notices(tmp_path).change("somebody@example.org", Coming(version=2))

    assert mail is not None
    assert (mail["To"], mail["Subject"]) == (
        "somebody@example.org",
        "Our privacy policy changes on 1 January 2027",
    )
    said = content(mail)
    assert "- On plan free: generated videos — kept longer, 8 days instead of 7 days." in said
    assert "https://video.example.org/privacy/versions/2?lang=en" in said
    assert "1 января 2027" in said
    assert "8 дней вместо 7 дней" in said


def test_of_a_version_whose_file_is_no_more_nothing_is_told(tmp_path: Path) -> None:
    assert notices(tmp_path).change("somebody@example.org", Coming(version=3)) is None
    assert notices(tmp_path).change("somebody@example.org", Coming(version=1)) is None


def test_who_lost_a_video_to_somebody_seen_in_it_is_told_in_each_language_and_pointed_at_the_rights_desk(
    tmp_path: Path,
) -> None:
    mail = notices(tmp_path).removed("somebody@example.org", shipped_policy("aisora2"))

    text = mail.get_content()
    assert mail["Subject"] == "A video of yours was removed"
    assert "neither which video it is nor who asked" in text
    assert "Человек, которого видно на вашем видео" in text
    assert text.count("https://video.example.org/requests") == len(("en", "ru"))
