"""The command `new problem`: questions to a person, and what was found for each answer."""

from typing import Annotated

import typer

from pipelines.app.console import StoreOption, console, open_command_project

MOST_NEEDS = 20


def new_problem(
    question: Annotated[str, typer.Argument(help="The question, in its owner's words.")],
    decision: Annotated[str | None, typer.Option(help="Decision that the answer supports.")] = None,
    owner: Annotated[str | None, typer.Option(help="Role of the person who decides.")] = None,
    by: Annotated[str | None, typer.Option(help="Day of the decision, as in 2027-01-31; blank if open.")] = None,
    places: Annotated[
        list[str] | None,
        typer.Option(help="Geography, nation, region, partnership or district; repeat for several."),
    ] = None,
    period: Annotated[str | None, typer.Option(help="latest, or a time such as 2022-01 to 2023-12.")] = None,
    need: Annotated[
        list[str] | None, typer.Option(help="What one would need to know, in plain words; repeat for several.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the problem (default: from the question).")] = None,
    store: StoreOption = None,
) -> None:
    """Begin a problem with its question. Ask for what no option gives, and search the measures for each need."""
    from pipelines.app.new_problem import Answers, begin_problem

    answers = Answers(
        question,
        decision or typer.prompt("Which decision does the answer support?"),
        owner or typer.prompt("Who decides? (a role, not a name)"),
        by if by is not None else typer.prompt("By when? (a day such as 2027-01-31; blank if open)", default=""),
        tuple(places or _split(typer.prompt("Which places? (a geography, nations, regions, districts)", "lad_2023"))),
        period or typer.prompt("Which period? (latest, or a time such as 2022-01 to 2023-12)", "latest"),
        tuple(need or _ask_needs()),
    )
    new = begin_problem(open_command_project(store, None), answers, name)
    for report in new.needs:
        console.print(f"{report.words}: {report.sentence}", soft_wrap=True, highlight=False, markup=False)
        if report.others:
            also = f"  also: {', '.join(report.others)}; to use one, give --need its name"
            console.print(also, soft_wrap=True, highlight=False, markup=False)
    for path in new.files:
        console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
    end = f"Run `commonground build {new.name}`: the page with its unknowns needs no data."
    console.print(end, soft_wrap=True, highlight=False, markup=False)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _ask_needs() -> list[str]:
    """Ask for needs until a blank answer."""
    needs: list[str] = []
    while len(needs) < MOST_NEEDS:
        word = "else " if needs else ""
        text = typer.prompt(f"What {word}would one need to know? (blank to end)", default="", show_default=False)
        if not text.strip():
            if needs:
                break
            continue
        needs.append(text.strip())
    return needs
