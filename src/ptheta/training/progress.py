"""A bar with the loss, the validation score and the time left, drawn from the states of a run."""

from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from ptheta.training.state import TrainState

__all__ = ["with_bar"]

LEAST_BAR, MOST_BAR = 4, 24  # characters
WORDS = 56  # characters that losses, a score and the time left take


def with_bar(states: Iterator[TrainState], name: str, console: Console | None = None) -> Iterator[TrainState]:
    """Passes the states on and draws a bar from them.

    Args:
        states: What ``training`` yields.
        name: What to call the run.
        console: Where to draw; standard error if None.

    Yields:
        The same states.
    """
    console = console or Console(stderr=True)
    room = Column(no_wrap=True, ratio=1)  # one line, whatever the name: what does not fit is cut
    text = TextColumn("{task.fields[text]}", table_column=room)
    bar_width = max(LEAST_BAR, min(MOST_BAR, console.width - WORDS - len(name)))
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=bar_width), text, _Left())
    with Progress(*columns, console=console, refresh_per_second=4, expand=True) as bar:
        task = bar.add_task(name, total=None, text="timing the first steps", left=None)
        is_new = False
        for state in states:
            bar.update(task, completed=state.step, total=state.steps, text=describe(state), left=state.seconds_left)
            is_new = True
            yield state
        bar.update(task, visible=is_new)  # a run that was done already has nothing to show


def describe(state: TrainState) -> str:
    """One line on where a run stands."""
    parts = [f"epoch {state.epoch:.1f}"]
    parts += [f"{name} {value:.4g}" for name, value in state.losses.items()]
    if state.validation is not None:
        parts.append(f"valid {-state.validation:.2f} nats")
    return "  ".join(parts)


class _Left(ProgressColumn):
    def get_table_column(self) -> Column:
        return Column(no_wrap=True, justify="right")

    def render(self, task: Task) -> Text:
        left = task.fields["left"]
        if left is None:
            return Text("")
        minutes, seconds = divmod(int(left), 60)
        return Text(f"{minutes}:{seconds:02d} left" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min left")
