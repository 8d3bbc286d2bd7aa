#!/bin/sh
# Installs the runner of DevFlow Pro on this server, or a newer one in its place, and connects the server where a token comes
# with it. The dashboard shows the whole command (Servers, Add a server):
#   { echo token=...; curl -fsSL .../install; } | sudo sh -s -- --fingerprint sha256:...
# The token comes by standard input, as a first line of this script: arguments are seen by every user of the machine.
set -eu

edge=@EDGE@
version=@VERSION@
sum_x86_64=@X86_64@
sum_aarch64=@AARCH64@

folder=/usr/local/lib/devflow
program=$folder/host-runner
unit=/etc/systemd/system/devflow-runner.service

fail() {
  printf 'install: %s\n' "$*" >&2
  exit 1
}

check_server() {
  [ "$(uname -s)" = Linux ] || fail 'the runner is for Linux'
  [ "$(id -u)" = 0 ] || fail 'run this as root: put sudo before sh'
  [ -d /run/systemd/system ] || fail 'this machine does not run systemd, which starts the runner'
  for tool in curl sha256sum mktemp systemctl; do
    command -v "$tool" >/dev/null || fail "$tool is missing; install it (apt install curl coreutils systemd)"
  done
  case $(uname -m) in
    x86_64 | amd64) target=x86_64 sum=$sum_x86_64 ;;
    aarch64 | arm64) target=aarch64 sum=$sum_aarch64 ;;
    *) fail "there is no runner for $(uname -m), only for x86_64 and aarch64" ;;
  esac
  [ -n "$sum" ] || fail "$edge has no runner for $target; its owner publishes one with cargo xtask publish-runner"
}

is_it() {
  printf '%s  %s\n' "$sum" "$1" | sha256sum -c --status - 2>/dev/null
}

download() {
  mkdir -p "$folder"
  staged=$(mktemp "$folder/.host-runner.XXXXXX")
  trap 'rm -f "$staged"' EXIT
  curl -fsSL --retry 3 --proto "=${edge%%:*}" -o "$staged" "$edge/runner/$version/$target" ||
    fail "the runner could not be fetched from $edge; nothing was changed"
  is_it "$staged" || fail "what $edge/runner/$version/$target sent is not runner $version; nothing was changed. Run this again; if
  it stays so, somebody changes it on the way or in the bucket"
  chmod 755 "$staged"
  mv -f "$staged" "$program"
}

main() {
  fingerprint='' force='' changed=''
  while [ $# -gt 0 ]; do
    case $1 in
      --fingerprint) [ $# -ge 2 ] || fail '--fingerprint needs a value'; fingerprint=$2; shift ;;
      --force) force=--force ;;
      *) fail "$1 is not known; there are --fingerprint and --force" ;;
    esac
    shift
  done
  [ -z "${token:-}" ] || [ -n "$fingerprint" ] || fail '--fingerprint has to come with the token'
  check_server

  if [ -x "$program" ] && is_it "$program"; then
    echo "Runner $version is installed already."
  else
    download
    changed=yes
    echo "Runner $version is installed."
  fi
  mkdir -p /usr/local/bin
  ln -sfn ../lib/devflow/host-runner /usr/local/bin/host-runner

  before=$(cat "$unit" 2>/dev/null || :)
  "$program" set-up
  [ "$before" = "$(cat "$unit")" ] || changed=yes
  systemctl daemon-reload

  if [ -z "${token:-}" ]; then
    :
  elif [ -e /var/lib/devflow/identity.json ] && [ -z "$force" ]; then
    echo 'This server is enrolled already; with --force at the end it would be enrolled anew.'
  else
    printf %s "$token" | "$program" enrol --edge "$edge" --fingerprint "$fingerprint" $force
    changed=yes
  fi
  if [ -e /var/lib/devflow/identity.json ]; then
    systemctl enable -q devflow-runner
    if [ -n "$changed" ]; then systemctl restart devflow-runner; else systemctl start devflow-runner; fi
    echo 'The runner runs. What is missing on this server says: host-runner doctor'
  else
    echo 'The server is not connected: the dashboard shows the command for that (Servers, Add a server).'
  fi
}

# The last line: what was cut off on its way does nothing.
main "$@"
