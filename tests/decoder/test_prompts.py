"""Prompts with repetitions, and words that come from prompts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.prompts import condense_prompt, is_confirmed, repeats_prompt

JARVIS = "The assistant is called Jarvis."
TOOLS = "Kubernetes and Grafana are tools."
DOCTOR = "Patient consultation with Doctor Meyer about diabetes and insulin."


@pytest.mark.parametrize(
    ("prompt", "condensed"),
    [
        (f"{TOOLS} " * 30, TOOLS),
        (f"na are tools. {TOOLS} {TOOLS}", TOOLS),
        (f"{TOOLS} {JARVIS} {TOOLS} {JARVIS} {TOOLS}", f"{JARVIS} {TOOLS}"),
        ("Meyer, Meyer, Meyer, Schulz", "Meyer, Schulz"),
        ("Kubernetes and Grafana, kubernetes and grafana, Kubernetes and Grafana", "Kubernetes and Grafana,"),
        ("字幕组字幕组字幕组", "字幕组"),
        ("今天天气很好。今天天气很好。", "今天天气很好。"),
        ("Duran Duran", "Duran Duran"),
        (DOCTOR, DOCTOR),
        (f"{JARVIS}\n{DOCTOR}", f"{JARVIS}\n{DOCTOR}"),
        ("C++, .NET; a 3.5 % rise", "C++, .NET; a 3.5 % rise"),
        ("", ""),
        (" … ", "…"),
    ],
)
def test_repetitions_in_a_prompt_are_kept_once(prompt: str, condensed: str) -> None:
    assert condense_prompt(prompt) == condensed


@given(st.text(alphabet="ab. ,漢字", max_size=60))
def test_a_condensed_prompt_stays_as_it_is(prompt: str) -> None:
    condensed = condense_prompt(prompt)

    assert condense_prompt(condensed) == condensed
    assert len(condensed) <= len(prompt)


@given(st.text(max_size=80))
def test_any_text_is_a_prompt(text: str) -> None:
    assert set(condense_prompt(text)) <= set(text)
    assert is_confirmed(text, text, text)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        (JARVIS, JARVIS),
        ("Jarvis.", JARVIS),
        ("Doctor Meyer.", DOCTOR),
        (f"{TOOLS} {TOOLS}", TOOLS),
        (f"And so my fellow Americans. {TOOLS} That's what you can do for your country.", TOOLS),
        ("今天天气很好", "今天天气很好。"),
    ],
)
def test_a_text_that_is_mostly_the_prompt_repeats_it(text: str, prompt: str) -> None:
    assert repeats_prompt(text, prompt)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("", JARVIS),
        ("Call Jarvis for me, please.", JARVIS),
        ("The weather is fine, and the assistant of the minister agrees.", JARVIS),
        ("I saw Doctor Meyer yesterday at the station.", DOCTOR),
        ("Good morning.", ""),
    ],
)
def test_a_text_with_a_name_of_the_prompt_does_not_repeat_it(text: str, prompt: str) -> None:
    assert not repeats_prompt(text, prompt)


@pytest.mark.parametrize(
    ("text", "prompt", "unprompted"),
    [
        (JARVIS, JARVIS, "The assistant is called Jarvis."),
        (JARVIS, JARVIS, "the assistance called Javis"),
        ("Doctor Meyer.", DOCTOR, "Dr. Maier."),
        (TOOLS, TOOLS, "Cuban nets and grafana are tools."),
        ("You ask for Jarvis. The assistant is called Jarvis.", JARVIS, "You ask for Jervis. The assistant is called."),
    ],
)
def test_spoken_words_are_confirmed_though_the_prompt_has_them(text: str, prompt: str, unprompted: str) -> None:
    assert is_confirmed(text, prompt, unprompted)


@pytest.mark.parametrize(
    ("text", "prompt", "unprompted"),
    [
        (JARVIS, JARVIS, ""),
        (JARVIS, JARVIS, "You're my hero!"),
        ("Doctor Meyer.", DOCTOR, "Thank you."),
        (f"{TOOLS} {TOOLS}", TOOLS, f"{TOOLS}"),
        (
            f"And so my fellow Americans. {TOOLS} That's what you can do for your country.",
            TOOLS,
            "And so my fellow Americans ask not what your country can do for you ask what you can do for your country.",
        ),
    ],
)
def test_prompt_words_that_were_not_spoken_are_not_confirmed(text: str, prompt: str, unprompted: str) -> None:
    assert not is_confirmed(text, prompt, unprompted)
