#!/bin/bash
# Boots a lab node and connects it to the lab's switch. Says its process id.
#
#   boot.sh DIR NAME USER SWITCH PORT ADDRESS GATEWAY [IMAGE]
#
# SWITCH is the process that holds the switch's network namespace, PORT the node's interface there. The environment carries the
# mark of the lab, by which the node is found whoever started it.
set -eu
here=$(dirname "$0")
dir=$1 name=$2 user=$3 switch=$4 port=$5 address=$6 gateway=$7 image=${8:-}
mkdir -p "$dir/root" "$dir/keys"
[ -e "$dir/keys/ssh_host_ed25519_key" ] || ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$dir/keys/ssh_host_ed25519_key"
setsid unshare --mount --pid --fork --kill-child --net --uts --ipc \
  bash "$here/init.sh" "$dir" "$name" "$user" "$image" </dev/null >"$dir/console" 2>&1 &
shell=$!
# The first process of the new namespace is the child of unshare.
for attempt in $(seq 200); do
  pid=$(cat "/proc/$shell/task/$shell/children" 2>/dev/null | tr -d ' ')
  net=$(readlink "/proc/${pid:-none}/ns/net" || true)
  [ -z "$net" ] || [ "$net" = "$(readlink /proc/self/ns/net)" ] || break
  sleep 0.02
done
[ -n "$pid" ] || { cat "$dir/console" >&2; exit 1; }
# The host that was here before may be dead for a moment only: the kernel takes its namespace back by and by.
nsenter -t "$switch" -n ip link delete dev "$port" 2>/dev/null || true
# An address keeps its hardware address: neighbours remember the host that had it before.
mac=$(printf '02:53:%02x:%02x:%02x:%02x' $(tr ./ '  ' <<<"$address" | cut -d' ' -f1-4))
ip link add name eth0 address "$mac" netns "$pid" type veth peer name "$port" netns "$switch"
nsenter -t "$switch" -n sh -euc '
  ethtool -K "$1" tx off >/dev/null
  ip link set dev "$1" master switch up' sh "$port"
# Checksums are filled in before a frame leaves: a userspace switch reads it as it is on the wire.
nsenter -t "$pid" -n sh -euc '
  ethtool -K eth0 tx off >/dev/null
  ip address add "$1" dev eth0
  ip link set dev eth0 up
  ip route add default via "$2"' sh "$address" "$gateway"
echo "$pid"
