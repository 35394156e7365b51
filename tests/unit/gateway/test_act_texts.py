"""The sheet of an act of destruction, in both languages: all that the order names, and blanks for what nobody here knows."""

from datetime import UTC, datetime

import pytest

from lethe_common.identifiers import ActId, CertificateId, SealKeyId
from lethe_common.policy.languages import Language
from lethe_common.rpc.acts import Act, ActCategory, ActContent, ActGround, ActProcessor, ActStore
from lethe_common.rpc.requests import SealedText
from lethe_gateway.act_texts import text_of
from lethe_gateway.words import load_words

WORDS = load_words()
CONTENT = ActContent(
    operator="ООО «Пример»", address="г. Пример", processors=(ActProcessor(name="Хостинг", country="RU"),),
    profile="videogen", service_url="https://videogen.example.org",
    categories=(
        ActCategory(category="identity.email", ru="адрес почты", en=None),
        ActCategory(category="old.thing", ru=None, en=None),
    ),
    stores=(ActStore(store="pg:gateway.accounts", category="identity.email", before=3, after=0),),
    certificate_id=CertificateId.new(), build="lethe-privacy 0.1.0", clock="real",
)  # fmt: skip


def act(content: ActContent = CONTENT, ground: ActGround = ActGround.DEMANDED) -> Act:
    return Act(
        act_id=ActId.new(), ground=ground, destroyed_at=datetime(2027, 3, 4, 5, 6, tzinfo=UTC),
        name=SealedText.model_construct(sealed=b"sealed", key_id=SealKeyId.new()), content=content,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        (
            "ru",
            [
                "Оператор: ООО «Пример», г. Пример",
                "Обработку по поручению оператора осуществляли: Хостинг (RU), адрес: ____________________",
                "Субъект, чьи персональные данные уничтожены: who@example.org",
                "Перечень категорий уничтоженных персональных данных: адрес почты; old.thing",
                "Информационная система персональных данных: videogen, https://videogen.example.org",
                "Хранилища системы: pg:gateway.accounts",
                "Причина уничтожения: требование субъекта персональных данных",
                "Дата уничтожения: 2027-03-04 05:06 UTC",
                "  pg:gateway.accounts, identity.email: было 3, осталось 0",
            ],
        ),
        (
            "en",
            [
                "Operator: ООО «Пример», г. Пример",
                "Person whose personal data were destroyed: who@example.org",
                "Ground: the person demanded it",
                "  pg:gateway.accounts, identity.email: 3 before, 0 left",
            ],
        ),
    ],
)
def test_the_sheet_says_all_that_the_order_names(language: Language, lines: list[str]) -> None:
    text = text_of(act(), "who@example.org", WORDS[language])

    assert set(lines) <= set(text.splitlines())
    # Once in the act, once in the extract of the log that goes with it.
    assert text.count("who@example.org") == 2
    assert "____" in next(line for line in text.splitlines() if line.startswith(("Ответственный", "Who answers")))


def test_the_sheet_tells_a_clock_that_is_none_and_a_service_without_processors() -> None:
    content = CONTENT.model_copy(update={"clock": "virtual", "processors": (), "service_url": "", "address": ""})
    text = text_of(act(content, ActGround.PURPOSE_REACHED), "acct", WORDS["ru"])

    assert "обработка не поручалась" in text
    assert "по виртуальным часам" in text
    assert "Причина уничтожения: достижение цели" in text
    assert "Информационная система персональных данных: videogen\n" in text
