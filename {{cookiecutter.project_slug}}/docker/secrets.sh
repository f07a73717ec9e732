#!/bin/sh
# Create missing secrets in secrets/ and leave existing ones alone.
#
# Only you can enter the folder. The files in it are readable by everyone, because a container sees
# each one through its own mount, with the owner and mode that it has here, and reads it as another user.
set -eu
cd "$(dirname "$0")/.."
umask 022
mkdir -p secrets
chmod 700 secrets

random() { # 192 bits in hexadecimal, which needs no escaping in a URL
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
  echo
}

keep() { # NAME: write stdin to the file of this name unless it exists
  if [ ! -e "secrets/$1" ]; then
    cat > "secrets/$1.new"
    [ -s "secrets/$1.new" ] || { rm "secrets/$1.new"; echo "secrets/$1: could not be created" >&2; exit 1; }
    mv "secrets/$1.new" "secrets/$1"
    echo "secrets/$1: created"
  fi
}
# {% if cookiecutter.database == "postgresql" %}

random | keep postgres_password
echo "postgresql://app:$(cat secrets/postgres_password)@postgresql:5432/app" | keep database_url
# {% elif cookiecutter.database == "mysql" %}

random | keep mysql_root_password
random | keep mysql_password
echo "mysql://app:$(cat secrets/mysql_password)@mysql:3306/app" | keep database_url
# {% endif %}
# {% if cookiecutter.auth != "none" %}

echo "requirepass $(random)" | keep redis_conf
echo "redis://:$(sed -n 's/^requirepass //p' secrets/redis_conf)@redis:6379/0" | keep redis_url
# {% endif %}
# {% if cookiecutter.auth == "jwt" %}
openssl genrsa 2048 | keep rsa_private_key_content
# {% elif cookiecutter.auth == "api_key" %}
random | keep secret_key
# {% endif %}
