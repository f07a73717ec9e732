#!/bin/sh
# backup: copy the database into backups/. restore FILE: replace the database with that file.
set -eu
cd "$(dirname "$0")/.."

compose() {
  # shellcheck disable=SC2086 # the command is several words
  ${COMPOSE:-docker compose} "$@"
}

case ${1:-} in
backup)
  umask 077
  mkdir -p backups
  file="backups/$(date -u +%Y%m%dT%H%M%SZ).db"
  # SQLite's backup is consistent while others write.
  compose exec -T api python -c '
import shutil, sqlite3, sys, tempfile
with tempfile.NamedTemporaryFile(dir="/var/lib/app") as copy:
    target = sqlite3.connect(copy.name)
    sqlite3.connect("/var/lib/app/app.db").backup(target)
    target.close()
    shutil.copyfileobj(copy, sys.stdout.buffer)
' > "$file.part"
  mv "$file.part" "$file"
  echo "$file"
  ;;
restore)
  [ -f "${2:-}" ] || { echo "no such file: '${2:-}'. Name one: make restore FILE=backups/..." >&2; exit 1; }
  compose stop api
  # In one transaction, which a damaged file rolls back.
  compose run --rm -T --no-deps --entrypoint python api -c '
import os, shutil, sqlite3, sys, tempfile
with tempfile.NamedTemporaryFile(dir="/var/lib/app") as copy:
    shutil.copyfileobj(sys.stdin.buffer, copy)
    copy.flush()
    source = sqlite3.connect(copy.name)
    (result,) = source.execute("PRAGMA integrity_check").fetchone()
    (size,) = source.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
    if result != "ok" or size != os.path.getsize(copy.name):
        sys.exit("this is not a complete copy of a database")
    source.backup(sqlite3.connect("/var/lib/app/app.db"))
' < "$2"
  compose start api
  ;;
*)
  echo "usage: $0 backup | restore FILE" >&2
  exit 2
  ;;
esac
