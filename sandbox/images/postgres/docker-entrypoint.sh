#!/bin/sh
# As the official image's: take the data folder over, fill it at the first start, become the server.
set -eu
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  chmod 0700 "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?a password is needed at the first start}"
  password=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" > "$password"
  initdb --username="$user" --pwfile="$password" --encoding=UTF8 --auth-local=trust --auth-host=scram-sha-256 \
    --no-sync
  rm "$password"
  {
    echo 'local all all trust'
    echo 'host all all 127.0.0.1/32 trust'
    echo 'host all all ::1/128 trust'
    echo 'host all all all scram-sha-256'
  } > "$PGDATA/pg_hba.conf"
  # On the socket alone, so that nobody who waits for the port meets a half-made database.
  pg_ctl --wait --silent -o "-c listen_addresses=''" start
  if [ "$database" != postgres ]; then
    createdb --username="$user" --maintenance-db=postgres "$database"
  fi
  for script in /docker-entrypoint-initdb.d/*.sql; do
    [ ! -e "$script" ] || psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username="$user" --dbname="$database" \
      --file="$script"
  done
  pg_ctl --wait --silent --mode=fast stop
fi

if [ "$1" = postgres ]; then
  shift
  set -- postgres -c listen_addresses='*' "$@"
fi
exec "$@"
