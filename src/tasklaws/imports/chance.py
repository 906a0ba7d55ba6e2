"""The score of a guess, as far as a task's name or configuration tells it."""

from typing import Any

GUESSABLE = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")  # metrics that a guess raises

# One over the number of choices of a question, which lm-eval's results do not hold.
CHANCE = {
    "arc_challenge": 1 / 4,  # Clark et al. 2018, arXiv 1803.05457: four choices but for 1% of questions
    "arc_easy": 1 / 4,  # the same
    "boolq": 1 / 2,  # Clark et al. 2019, arXiv 1905.10044
    "commonsense_qa": 1 / 5,  # Talmor et al. 2019, arXiv 1811.00937
    "copa": 1 / 2,  # Roemmele et al. 2011
    "hellaswag": 1 / 4,  # Zellers et al. 2019, arXiv 1905.07830
    "logiqa": 1 / 4,  # Liu et al. 2020, arXiv 2007.08124
    "mmlu": 1 / 4,  # Hendrycks et al. 2021, arXiv 2009.03300
    "openbookqa": 1 / 4,  # Mihaylov et al. 2018, arXiv 1809.02789
    "piqa": 1 / 2,  # Bisk et al. 2020, arXiv 1911.11641
    "sciq": 1 / 4,  # Welbl et al. 2017, arXiv 1707.06209
    "social_iqa": 1 / 3,  # Sap et al. 2019, arXiv 1904.09728
    "winogrande": 1 / 2,  # Sakaguchi et al. 2019, arXiv 1907.10641
    "wsc": 1 / 2,  # Wang et al. 2019, arXiv 1905.00537: SuperGLUE's form of it, yes or no
    # Free text of one of many words or numbers: a guess is never right.
    "gsm8k": 0.0,  # Cobbe et al. 2021, arXiv 2110.14168
    "lambada_openai": 0.0,  # Paperno et al. 2016, arXiv 1606.06031
    "lambada_standard": 0.0,  # the same
    "triviaqa": 0.0,  # Joshi et al. 2017, arXiv 1705.03551
}


def chance(task: str, metric: str, choices: Any) -> float | None:
    """The accuracy of guessing, None where it is unknown.

    `choices` is `doc_to_choice` of lm-eval's task: a list where all questions have the same. Otherwise CHANCE tells.
    """
    if metric not in GUESSABLE:
        return None
    if isinstance(choices, list) and len(choices) > 1:
        return 1 / len(choices)
    if task.startswith(("mmlu_", "hendrycksTest-")):
        return CHANCE["mmlu"]
    return CHANCE.get(task)
