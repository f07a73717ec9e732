"""Run the functions of the given files, in a project, and print their messages as JSON."""

import asyncio
import inspect
import json
import logging
import runpy
import sys
import warnings
from typing import Any


def message_of(reproduce: Any) -> str:  # noqa: ANN401 a function, asynchronous or not
    """Return the error of a reproduction, or what it returns."""
    try:
        result = reproduce()
        return str(asyncio.run(result) if inspect.iscoroutine(result) else result)
    except (Exception, SystemExit) as error:  # noqa: BLE001 any error is a result
        return f"{type(error).__name__}: {error}"


warnings.simplefilter("error", UserWarning)
warnings.simplefilter("ignore", ResourceWarning)
logging.disable()
messages = {
    name: message_of(value)
    for path in sys.argv[1:]
    for name, value in runpy.run_path(path).items()
    if name.startswith("reproduce_")
}
print(json.dumps(messages))  # noqa: T201 the result
