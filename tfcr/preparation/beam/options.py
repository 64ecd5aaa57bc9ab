"""Which runner of Apache Beam works, and its options; checked before anything is read. No TensorFlow."""

import argparse
import difflib
import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions, TypeOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.runner import PipelineRunner, create_runner

from tfcr.errors import TfcrError, UsageError


@dataclass(frozen=True)
class Engine:
    """A runner of Beam's and its options.

    Attributes:
        runner: its name, or the full name of its class.
        options: as Beam spells them on a command line.
        is_typed: whether a user typed the runner; a file that came from elsewhere may not name a class to import.
    """

    runner: str
    options: Sequence[str] = ()
    is_typed: bool = True

    def pipeline_options(self) -> PipelineOptions:
        """Beam's options, with what the runner's plugins need imported."""
        options = PipelineOptions(list(self.options))
        options.view_as(StandardOptions).runner = self.runner
        # Else DirectRunner first looks for a program of Beam's (Prism), which it downloads.
        options.view_as(TypeOptions).allow_unsafe_triggers = True
        for plugin in options.view_as(SetupOptions).beam_plugins or ():
            try:
                __import__(plugin)
            except ImportError as error:
                raise UsageError(f"--beam_plugin {plugin} cannot be imported ({error})") from None
        FileSystems.set_options(options)
        return options

    def check(self) -> None:
        """Refuses a runner or options that Beam does not know, before anything is read or written.

        Raises:
            UsageError: naming them.
            TfcrError: the runner needs a package that is not installed.
        """
        _refuse_unknown(self.options)
        names = ", ".join(StandardOptions.KNOWN_RUNNER_NAMES)
        near = _near(self.runner, StandardOptions.KNOWN_RUNNER_NAMES) or f"; expected one of {names}"
        unknown = UsageError(f"--runner {self.runner} is none of Apache Beam's{near}")
        if "." in self.runner and not self.is_typed:
            raise UsageError(
                f"--runner {self.runner} names a class, which a file may not; type it, or name one of {names}"
            )
        try:
            if "." in self.runner:  # Beam calls whatever has the name
                module, _, name = self.runner.rpartition(".")
                found = getattr(importlib.import_module(module), name)
                if not (isinstance(found, type) and issubclass(found, PipelineRunner)):
                    raise unknown
            runner = create_runner(self.runner)
        except (ValueError, AttributeError, TypeError):
            raise unknown from None
        except ImportError as error:
            raise TfcrError(f"--runner {self.runner} cannot be had: {error}") from None
        if wrong := PipelineOptionsValidator(self.pipeline_options(), runner).validate():
            raise UsageError(f"--runner {self.runner}: {' '.join(' '.join(wrong).split())}")


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would print its usage and leave."""

    def error(self, message):
        raise UsageError(f"Apache Beam's options: {message}")

    def add_value_provider_argument(self, *names, **settings):
        """A method of Beam's own parser, which its options call."""
        self.add_argument(*names, **settings)


def _refuse_unknown(options: Sequence[str]) -> None:
    """Refuses what Beam would pass over with a warning."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    for group in dict.fromkeys(PipelineOptions.__subclasses__()):
        group._add_argparse_args(parser)  # the hook that Beam's guide names for options of one's own
    _, unknown = parser.parse_known_args(list(options))
    if unknown:
        known = [name for action in parser._actions for name in action.option_strings]
        raise UsageError(
            f"{unknown[0]} is an option neither of tfcr prepare-tfrecords nor of Apache Beam{_near(unknown[0], known)}"
        )


def _near(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, where something is near."""
    near = difflib.get_close_matches(word.split("=")[0], known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
