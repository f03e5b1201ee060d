#!/bin/sh
# Make the secrets of compose.yaml in the folder secrets/ beside it, or in the folder named. Those there already stay.
set -eu
folder=${1:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder"
cd "$folder"

random() {
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

# keep NAME VALUE: in one step, so that no part of it is ever taken for a secret.
keep() {
  [ -e "$1" ] && return
  printf '%s' "$2" > ".$1.new"
  mv ".$1.new" "$1"
}

for one in redis_worker redis_pages redis_client postgres; do
  keep "${one}_password" "$(random)"
done
keep worker_redis_url "redis://worker:$(cat redis_worker_password)@redis:6379/0"
keep pages_redis_url "redis://pages:$(cat redis_pages_password)@redis:6379/0"
keep database_url "postgresql://pipeline:$(cat postgres_password)@postgres/pipeline"
keep web__token "$(random)"
keep web__secret "$(random)"
# The processes of the containers have users of their own; the folder keeps everybody else out.
chmod 0644 ./*
