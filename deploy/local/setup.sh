#!/usr/bin/env bash
# Makes a clone ready to run: the servers' Debian packages and the Python packages in .venv.
# Safe to run again: when nothing is missing it does nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly STAMP=.local/setup.sha256
readonly POLICY=/usr/sbin/policy-rc.d

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if is_new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    # Where there is none at all, Debian's is installed.
    echo python3
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

exists() { # exists PATTERN...: whether one of them is the path of a file
    local pattern
    for pattern in "$@"; do
        if compgen -G "$pattern" >/dev/null; then return 0; fi
    done
    return 1
}

on_path() { command -v "$1" >/dev/null; }

missing_packages() {
    on_path "$PYTHON" || echo "$PYTHON"
    [ "$PYTHON" = .venv/bin/python ] || "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || echo "$PYTHON-venv"
    on_path initdb || exists '/usr/lib/postgresql/*/bin/initdb' || echo postgresql
    exists '/usr/lib/rabbitmq/bin/rabbitmq-server' '/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server' ||
        echo rabbitmq-server
    on_path sshd || exists /usr/sbin/sshd || echo openssh-server
    exists /usr/lib/openssh/sftp-server || echo openssh-sftp-server
    on_path proftpd || exists /usr/sbin/proftpd || echo proftpd-core
    exists /usr/lib/proftpd/mod_sftp.so || echo proftpd-mod-crypto
    on_path dropbearconvert || echo dropbear-bin
    on_path openssl || echo openssl
    on_path promtool || echo prometheus
    exists '/usr/lib/*/faketime/libfaketime.so.1' || echo libfaketime
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The servers are run privately by the project, so the machine's own services must neither start
# now nor at the next boot.
keep_services_down() { # keep_services_down ADVICE
    if [ -e "$POLICY" ]; then return; fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null || fail "no right to install packages; $1"
    trap 'as_root rm -f "$POLICY"' EXIT
    as_root chmod 755 "$POLICY"
}

keep_services_down_at_boot() {
    on_path systemctl || return 0
    local package unit units=""
    for package in "$@"; do
        case $package in
        postgresql) units+=" postgresql.service" ;;
        rabbitmq-server) units+=" rabbitmq-server.service epmd.service epmd.socket" ;;
        openssh-server) units+=" ssh.service ssh.socket" ;;
        proftpd-core) units+=" proftpd.service proftpd.socket" ;;
        prometheus) units+=" prometheus.service prometheus-node-exporter.service" ;;
        esac
    done
    # Which of these units exist differs from release to release.
    for unit in $units; do as_root systemctl disable --quiet "$unit" 2>/dev/null || true; done
}

agree() {
    [ -t 0 ] || return 0
    local answer
    read -r -p "Go on? [Y/n] " answer
    [[ -z $answer || $answer == [Yy]* ]]
}

install_packages() {
    local by_hand="install by hand: $*"
    on_path apt-get || fail "missing on this machine and no apt-get to install it; $by_hand"
    [ "$(id -u)" = 0 ] || on_path sudo || fail "not root and no sudo; $by_hand"
    echo "These Debian packages are missing and will be installed (their services stay off): $*"
    agree || fail "stopped; $by_hand"
    keep_services_down "$by_hand"
    as_root apt-get update -qq || fail "apt-get update did not work; $by_hand"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null ||
        fail "apt-get install did not work; $by_hand"
    keep_services_down_at_boot "$@"
}

install_python_packages() {
    if [ "$PYTHON" != .venv/bin/python ]; then
        echo "Making the virtual environment .venv"
        "$PYTHON" -m venv --clear .venv
    fi
    echo "Installing the Python packages into .venv (once; this may take a minute)"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes \
        -r requirements-dev.txt || fail "the Python packages could not be installed, see above; run this again"
}

PYTHON=.venv/bin/python
"$PYTHON" -c 'import pip' 2>/dev/null || PYTHON=$(find_python)

packages=$(missing_packages)
# shellcheck disable=SC2086  # one word per package
[ -z "$packages" ] || install_packages $packages

is_new_enough "$PYTHON" || fail "Python 3.11 or newer is needed and none was found: install one and run this again."

if [ "$PYTHON" != .venv/bin/python ] || ! sha256sum --check --status "$STAMP" 2>/dev/null; then
    install_python_packages
    mkdir -p .local
    sha256sum requirements-dev.txt >"$STAMP"
fi
