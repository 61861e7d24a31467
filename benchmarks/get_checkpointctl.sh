#!/bin/bash
# get_checkpointctl.sh DEST: put Debian trixie's checkpointctl with the libraries it needs under DEST, without
# touching what is installed, and print the path of a wrapper that runs it through DEST's own dynamic loader.
set -euo pipefail
suite=trixie
dest=$(realpath -m "${1:?usage: get_checkpointctl.sh DEST}")
if [[ -x $dest/bin/checkpointctl ]]; then
  echo "$dest/bin/checkpointctl"
  exit 0
fi
mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d/ 2>/dev/null |
  grep -v snapshot | head -n 1 | tr -d ' ' || true)
[[ -n $mirror ]] || { echo "get_checkpointctl.sh: no Debian mirror in the apt sources" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,archives}/partial "$dest"/{root,bin}
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$work/sources.list"
touch "$work/status"
apt() {
  apt-get -qq -oDir::Etc::SourceList="$work/sources.list" -oDir::Etc::SourceParts=/dev/null \
    -oDir::State::Lists="$work/lists" -oDir::Cache="$work" -oDir::State::status="$work/status" \
    -oAPT::Install-Recommends=false -oAPT::Sandbox::User=root "$@"
}
apt update >&2
apt -d -y install checkpointctl libc6 >&2
for deb in "$work"/archives/*.deb; do dpkg -x "$deb" "$dest/root"; done

loader=$(cd "$dest/root" && find . -name 'ld-linux*.so.*' | head -n 1)
libraries=$(dirname "$(cd "$dest/root" && find . -name libc.so.6 | head -n 1)")
cat >"$dest/bin/checkpointctl" <<WRAPPER
#!/bin/sh
exec "$dest/root/$loader" --library-path "$dest/root/$libraries" "$dest/root/usr/bin/checkpointctl" "\$@"
WRAPPER
chmod +x "$dest/bin/checkpointctl"
echo "$dest/bin/checkpointctl"
