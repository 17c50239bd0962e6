#!/bin/sh
# Runs a server where its accounts and its files exist for it alone: as the first process of a private
# mount and PID namespace. Arguments: the folder of account files, the folder of the clients' files,
# which is shown as /run/sftp, "owned" when standard input is the owner's pipe or else "free", and
# the server's command.
set -eu
accounts=$1 files=$2 owner=$3
shift 3

# A fresh /run also hides name service sockets, a fresh /var/log the machine's login records.
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir /run/sshd /run/sftp
for account_file in passwd shadow group nsswitch.conf; do
    mount --bind "$accounts/$account_file" "/etc/$account_file"
done

# A client is only confined to a folder of root. Started through sudo by someone else, the top is
# made here and each of the folders is shown in it.
if [ "$(stat -c %u "$files")" = 0 ]; then
    mount --bind "$files" /run/sftp
else
    for folder in "$files"/*/; do
        [ -d "$folder" ] || continue
        mkdir "/run/sftp/$(basename "$folder")"
        mount --bind "$folder" "/run/sftp/$(basename "$folder")"
    done
fi

# This namespace, with all its processes, ends when its first process does. The first process
# ignores a signal until it handles it, so the watcher repeats its own.
if [ "$owner" = owned ]; then
    exec 3<&0
    {
        while read -r _; do :; done <&3
        while kill -TERM 1; do sleep 0.1; done
    } &
    exec 3<&-
fi
exec "$@" </dev/null
