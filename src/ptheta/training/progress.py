"""A bar with the loss, the validation score and the time left, drawn from the states of a run."""

from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from ptheta.training.state import TrainState

__all__ = ["with_bar"]


def with_bar(states: Iterator[TrainState], name: str, console: Console | None = None) -> Iterator[TrainState]:
    """Passes the states on and draws a bar from them.

    Args:
        states: What ``training`` yields.
        name: What to call the run.
        console: Where to draw; standard error if None.

    Yields:
        The same states.
    """
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[text]}"), _Left())
    with Progress(*columns, console=console or Console(stderr=True), refresh_per_second=4) as bar:
        task = bar.add_task(name, total=None, text="timing the first steps", left=None)
        for state in states:
            bar.update(task, completed=state.step, total=state.steps, text=describe(state), left=state.seconds_left)
            yield state


def describe(state: TrainState) -> str:
    """One line on where a run stands."""
    parts = [f"epoch {state.epoch:.1f}"]
    parts += [f"{name} {value:.4g}" for name, value in state.losses.items()]
    if state.validation is not None:
        parts.append(f"valid {-state.validation:.2f} nats")
    return "  ".join(parts)


class _Left(ProgressColumn):
    def render(self, task: Task) -> Text:
        left = task.fields["left"]
        if left is None:
            return Text("")
        minutes, seconds = divmod(int(left), 60)
        return Text(f"{minutes}:{seconds:02d} left" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min left")
