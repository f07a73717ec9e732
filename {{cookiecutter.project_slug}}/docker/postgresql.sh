#!/bin/sh
# backup: dump the database into backups/. restore FILE: replace the database with that file.
set -eu
cd "$(dirname "$0")/.."

compose() {
  # shellcheck disable=SC2086 # the command is several words
  ${COMPOSE:-docker compose} "$@"
}

database() { # run a client in the container, which needs no password
  compose exec -T postgresql "$@"
}

case ${1:-} in
backup)
  umask 077
  mkdir -p backups
  file="backups/$(date -u +%Y%m%dT%H%M%SZ).dump"
  database pg_dump --username=app --format=custom app > "$file.part"
  mv "$file.part" "$file"
  echo "$file"
  ;;
restore)
  [ -f "${2:-}" ] || { echo "no such file: '${2:-}'. Name one: make restore FILE=backups/..." >&2; exit 1; }
  # Into a second database first, so that a damaged file changes nothing.
  database dropdb --username=app --if-exists restored
  database createdb --username=app --template=template0 restored
  database pg_restore --username=app --dbname=restored --exit-on-error < "$2"
  compose stop api
  database dropdb --username=app --if-exists --force app
  database psql --username=app --dbname=postgres --command='ALTER DATABASE restored RENAME TO app'
  compose start api
  ;;
*)
  echo "usage: $0 backup | restore FILE" >&2
  exit 2
  ;;
esac
