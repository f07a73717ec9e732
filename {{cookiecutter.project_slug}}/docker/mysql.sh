#!/bin/sh
# backup: dump the database into backups/. restore FILE: replace the database with that file.
set -eu
cd "$(dirname "$0")/.."

compose() {
  # shellcheck disable=SC2086 # the command is several words
  ${COMPOSE:-docker compose} "$@"
}

database() { # run a client in the container, as the service's user
  # shellcheck disable=SC2016 # the shell in the container reads the password
  compose exec -T mysql sh -c 'export MYSQL_PWD="$(cat /run/secrets/mysql_password)"; exec "$@"' sh "$@"
}

case ${1:-} in
backup)
  umask 077
  mkdir -p backups
  file="backups/$(date -u +%Y%m%dT%H%M%SZ).sql"
  # One transaction gives a consistent dump; tablespaces would require more privileges than the service has.
  database mysqldump --user=app --single-transaction --no-tablespaces app > "$file.part"
  mv "$file.part" "$file"
  echo "$file"
  ;;
restore)
  [ -f "${2:-}" ] || { echo "no such file: '${2:-}'. Name one: make restore FILE=backups/..." >&2; exit 1; }
  tail -n 1 "$2" | grep -q '^-- Dump completed' || { echo "$2 is not a complete dump" >&2; exit 1; }
  compose stop api
  database mysql --user=app --execute='DROP DATABASE app; CREATE DATABASE app'
  database mysql --user=app --database=app < "$2"
  compose start api
  ;;
*)
  echo "usage: $0 backup | restore FILE" >&2
  exit 2
  ;;
esac
