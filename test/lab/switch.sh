#!/bin/bash
# The lab's switch: a bridge in a network namespace of its own. The only thing this machine sees of it is one interface with a /24.
#
#   switch.sh UPLINK GATEWAY
#
# Says the process that holds the namespace; when that is killed, bridge and uplink are gone.
set -eu
uplink=$1 gateway=$2
setsid unshare --net sleep infinity </dev/null >/dev/null 2>&1 &
pid=$!
for attempt in $(seq 200); do
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != sleep ] || break
  sleep 0.01
done
trap 'kill -9 "$pid"' ERR
nsenter -t "$pid" -n ip link add name switch type bridge stp_state 0 forward_delay 0 mcast_snooping 0
nsenter -t "$pid" -n ip link set dev switch up
ip link add name "$uplink" type veth peer name uplink netns "$pid"
nsenter -t "$pid" -n ethtool -K uplink tx off >/dev/null
nsenter -t "$pid" -n ip link set dev uplink master switch up
ethtool -K "$uplink" tx off >/dev/null
ip address add "$gateway" dev "$uplink"
ip link set dev "$uplink" up
echo "$pid"
