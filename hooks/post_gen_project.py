"""Delete what the answers did not choose, then print what to do next.

KEEP_IF is the one list of which file belongs to which option: a path that is not named belongs
to every project. Nothing is installed, downloaded or committed here.
"""

import os

STRUCTURE = "{{ cookiecutter.structure }}"

KEEP_IF = {
    "app/api": STRUCTURE == "modular",
    "app/schemas": STRUCTURE == "modular",
    "app/services": STRUCTURE == "modular",
    "tests/unit/services": STRUCTURE == "modular",
    "app/quotes.py": STRUCTURE == "flat",
    "app/schemas.py": STRUCTURE == "flat",
    "tests/unit/test_quotes.py": STRUCTURE == "flat",
}

NEXT_STEPS = """
{{ cookiecutter.project_slug }} is ready. Next:

  cd {{ cookiecutter.project_slug }}
  git init
  make setup      # installs into .venv and writes uv.lock: commit that file
  make dev        # http://127.0.0.1:8000/docs
  make check      # format, lint, types, imports, dependencies and tests

No make (Windows)? README.md gives the same commands for uv.
"""


def remove(path):
    """Delete a file, or a folder with everything in it."""
    if os.path.isfile(path):
        os.remove(path)
        return
    for entry in os.listdir(path):
        remove(os.path.join(path, entry))
    os.rmdir(path)


for path, keep in KEEP_IF.items():
    if not keep:
        remove(path)
print(NEXT_STEPS)
