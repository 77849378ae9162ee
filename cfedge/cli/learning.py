"""The options that say how tasks are learned: one table for every command that learns.

Names, defaults and checks are `cfedge.train.settings.Settings`'; here each field gets its option
and its help. `with_settings` puts the options in the place of a command's parameter ``settings``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any

import typer

from cfedge.errors import UsageError
from cfedge.train.settings import Settings

__all__ = ["option_of", "with_settings"]

#: The heading under which the help shows options that few people need.
EXPERT = "Expert"

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "method": (
        bool | None,
        typer.Option(
            "--head-only/--train",
            help=(
                "Learn a closed-form head and no adapter, or (--train) always an adapter too."
                " Without either, a task with 3 or more examples of each class gets an adapter; a"
                " task of pictures keeps it only where it then answers better."
            ),
        ),
    ),
    "held_out": (
        float,
        typer.Option("--share", help="Share of each class that is held out, without --held-out."),
    ),
    "mirror": (
        str,
        typer.Option(
            "--mirror",
            rich_help_panel=EXPERT,
            help="Train on mirror images of pictures too: yes, no, or auto, where that does no harm.",
        ),
    ),
    "most_examples": (
        int,
        typer.Option(
            "--most-examples",
            rich_help_panel=EXPERT,
            help=(
                "Most examples to learn from; where there are more, each class gives equally many."
            ),
        ),
    ),
    "rank": (int, typer.Option("--rank", rich_help_panel=EXPERT, help="Rank of the adapter.")),
    "epochs": (
        int,
        typer.Option("--epochs", help="Passes over the training examples; small tasks take more."),
    ),
    "min_steps": (
        int,
        typer.Option(
            "--min-steps",
            rich_help_panel=EXPERT,
            help="Fewest training steps; where --epochs gives fewer, more passes are made.",
        ),
    ),
    "learning_rate": (
        float,
        typer.Option("--learning-rate", rich_help_panel=EXPERT, help="Peak learning rate."),
    ),
    "reuse": (
        bool,
        typer.Option(
            "--reuse",
            rich_help_panel=EXPERT,
            help="Mix low-rank units of earlier tasks into the adapter.",
        ),
    ),
    "pool_limit": (
        int,
        typer.Option(
            "--pool-limit",
            rich_help_panel=EXPERT,
            help="Most units that a target module reuses.",
        ),
    ),
    "max_rank": (
        int,
        typer.Option(
            "--max-rank",
            rich_help_panel=EXPERT,
            help="Largest rank of the adapter, after reused and new units are folded into one.",
        ),
    ),
    "orthogonality": (
        str,
        typer.Option(
            "--orthogonality",
            rich_help_panel=EXPERT,
            help="How new units are kept apart from reused ones: none, penalty or projection.",
        ),
    ),
    "penalty": (
        float,
        typer.Option(
            "--penalty",
            rich_help_panel=EXPERT,
            help="Weight of the overlap, with --orthogonality penalty.",
        ),
    ),
    "l1": (
        float,
        typer.Option(
            "--l1",
            rich_help_panel=EXPERT,
            help="Weight of the absolute values of the reuse scalars.",
        ),
    ),
    "l2": (
        float,
        typer.Option(
            "--l2", rich_help_panel=EXPERT, help="Weight of the squares of the reuse scalars."
        ),
    ),
    "class_rank": (
        int | None,
        typer.Option(
            "--class-rank",
            rich_help_panel=EXPERT,
            help=(
                "Most directions in which a class may have a shape of its own; otherwise 12, and"
                " 8 on lite0. A signature grows with them, up to the classes' examples."
            ),
        ),
    ),
    "exit_share": (
        float,
        typer.Option(
            "--exit-share",
            rich_help_panel=EXPERT,
            help=(
                "Largest share of the task's inputs that may exit early, before the tail; 0 for"
                " none. At least 20 of the held-out examples never do."
            ),
        ),
    ),
    "seed": (
        int,
        typer.Option(
            "--seed", help="Seed of the initial values, of the order of examples and of the split."
        ),
    ),
    "threads": (
        int | None,
        typer.Option(
            "--threads", help="Threads of each job; otherwise one for each core that it may use."
        ),
    ),
    "device": (
        str,
        typer.Option("--device", help="Device that adapters are trained on: cpu, cuda, cuda:1..."),
    ),
    "precision": (
        str,
        typer.Option(
            "--precision",
            rich_help_panel=EXPERT,
            help="Arithmetic while training: float32 or bf16.",
        ),
    ),
}
_METHODS = {None: "auto", True: "closed-form", False: "adapter"}


def _settings(chosen: dict[str, Any]) -> Settings:
    """Return what the options chose; errors name an option in the place of its field."""
    try:
        settings = Settings(**chosen)
    except UsageError as error:
        field, colon, rest = str(error).partition(":")
        if field not in _OPTIONS:
            raise
        raise UsageError(f"{option_of(field)}{colon}{rest}") from error
    return settings


def option_of(field: str) -> str:
    """Return the option of a field of `Settings`."""
    option = _OPTIONS[field][1]  # typer takes the first name for a default, until it is asked
    return str(next(one for one in (option.default, *option.param_decls) if isinstance(one, str)))


def with_settings(
    *, without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `Settings` in the place of its parameter ``settings``.

    Parameters
    ----------
    without
        Fields that the command does not ask for: they keep their default.
    """
    fields = [field for field in _OPTIONS if field not in without]
    defaults = Settings()

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        def wrapper(**given: Any) -> None:
            chosen = {field: given.pop(f"settings_{field}") for field in fields}
            if "method" in chosen:
                chosen["method"] = _METHODS[chosen["method"]]
            command(**given, settings=_settings(chosen))

        options = [
            inspect.Parameter(
                f"settings_{field}",
                inspect.Parameter.KEYWORD_ONLY,
                annotation=Annotated[_OPTIONS[field]],
                default=None if field == "method" else getattr(defaults, field),
            )
            for field in fields
        ]
        signature = inspect.signature(command, eval_str=True)
        kept = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in signature.parameters.values()
            if parameter.name != "settings"
        ]
        arguments = [*kept, *options]
        wrapper.__doc__, wrapper.__name__ = command.__doc__, command.__name__
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in arguments}
        # typer asks inspect.signature, which looks for this attribute first
        vars(wrapper)["__signature__"] = signature.replace(parameters=arguments)
        return wrapper

    return decorated
