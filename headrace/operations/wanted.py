"""Which tasks a person means: by a task's id, a file's key, or the folder that files are in. Pure."""

import re
from dataclasses import dataclass

from headrace.model.task import TASK_ID_LENGTH, Task

_TASK_ID = re.compile(rf"[0-9a-f]{{{TASK_ID_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task's id, or a key; one that ends with `/` means all below it. `bucket` (real name) narrows it."""

    text: str
    bucket: str | None = None

    @property
    def is_task(self) -> bool:
        """Whether it is a task's id."""
        return self.bucket is None and _TASK_ID.fullmatch(self.text) is not None

    @property
    def is_folder(self) -> bool:
        """Whether it means all files below it."""
        return not self.text or self.text.endswith("/")

    def means(self, task: Task) -> bool:
        """Whether the task is one of those."""
        if self.is_task:
            return task.id == self.text
        if self.bucket not in (None, task.bucket):
            return False
        return task.key.startswith(self.text) if self.is_folder else task.key == self.text
