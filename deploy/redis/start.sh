#!/bin/sh
# Start Redis with the users of users.acl, whose passwords are the files redis_NAME_password in the folder SECRETS.
# REDIS_PREFIX: that of the application, if it has one.
# Usage: start.sh FOLDER [option of redis-server…]; the users are written to FOLDER, with digests for passwords.
set -eu
folder=$1
shift
here=$(dirname "$0")
secrets=${SECRETS:-/run/secrets}
prefix=${REDIS_PREFIX:-arq:}
umask 077

# A user is one line there, and comments are for readers.
users=$(awk '/^#/ { next } /^user / { if (line) print line; line = $0; next } NF { line = line " " $0 } END { print line }' "$here/users.acl" | sed "s/~arq:/~$prefix/g")
for name in worker pages client; do
  password=$(cat "$secrets/redis_${name}_password")
  [ -n "$password" ] || { echo "start.sh: $secrets/redis_${name}_password is empty" >&2; exit 1; }
  digest=$(printf '%s' "$password" | sha256sum | cut -d ' ' -f 1)
  users=$(printf '%s\n' "$users" | sed "s/<$name>/#$digest/")
done
printf '%s\n' "$users" > "$folder/users.acl"
exec redis-server --aclfile "$folder/users.acl" "$@"
