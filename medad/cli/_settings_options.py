"""Make the fields of a settings model options of a command: default, bounds and help are those of the model."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from medad.config import Strict, build

Command = Callable[..., None]


def with_settings(model: type[Strict], **more: Mapping[str, Any]) -> Callable[[Command], Command]:
    """Return a decorator that replaces the parameter ``settings`` of a command by one option for each field.

    The command is called with the validated settings, and raises ConfigError if a value is not allowed.

    Args:
        model: the settings; its field ``retry_failed`` becomes the option --retry-failed.
        more: further arguments of ``typer.Option`` for a field, such as ``watch={"metavar": "SECONDS"}``.
    """

    def decorated(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        options = [_option(name, field, more.get(name, {})) for name, field in model.model_fields.items()]

        @functools.wraps(command)
        def run(*arguments: object, **values: object) -> None:
            chosen = {name: values.pop(name) for name in model.model_fields}
            command(*arguments, settings=build(model, chosen, "options"), **values)

        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            parameters.extend(options if parameter.name == "settings" else [parameter])
        # typer reads the signature; functools' stubs do not know that a function may have one
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorated


def _option(name: str, field: FieldInfo, more: Mapping[str, Any]) -> inspect.Parameter:
    """Return the parameter of a command for a field of a settings model."""
    bounds = {
        end: getattr(constraint, attribute)
        for constraint in field.metadata
        for end, attribute in (("min", "ge"), ("max", "le"))
        if hasattr(constraint, attribute)
    }
    option = typer.Option(f"--{name.replace('_', '-')}", help=field.description, **bounds, **more)
    kind, default = inspect.Parameter.POSITIONAL_OR_KEYWORD, field.get_default(call_default_factory=True)
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[field.annotation, option])
