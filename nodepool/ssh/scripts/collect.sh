# list WORKSPACE START...: names, each ended by a NUL, of everything below the STARTs that is no folder. Links are not followed.
#   Ends with 3 when the build itself is not there: a machine that came back without its disk has no logs to offer.
# read WORKSPACE OWNER: reads NUL-terminated words. `?NAME` opens a file: `file SIZE`, or `skip`. `=` wants so many bytes of it.
#
# The job chose every name, link and type in there, so nothing is believed before it is open: what was opened must be a plain
# file whose real path (the kernel's answer for the descriptor) lies in the workspace. A file with a second name that is not the
# job's own may be a hard link to anything and is left out.

command=$1 workspace=$2
shift 2
[[ -d ${workspace%/job/workspace} ]] || exit 3
[[ -d $workspace && ! -L $workspace ]] && cd "$workspace" || exit 0
root=$(pwd -P)
list() {
  local start found=()
  for start; do [[ -e ./$start || -L ./$start ]] && found+=("./$start"); done
  ((${#found[@]})) || exit 0
  # Some of it may be closed to us.
  find -P "${found[@]}" -maxdepth 64 ! -type d -printf '%p\0' 2>/dev/null
  # 1: something was closed to us. Killed, it has not said everything.
  (($? < 2)) || exit 4
  exit 0
}
open_file() {
  local real kind links owner
  exec 3<&-
  # Before it is opened, for a fifo would hold us; afterwards again, for it may have become another one.
  [[ -f ./$1 ]] && { exec 3<"./$1"; } 2>/dev/null || return
  real=$(exec readlink /proc/self/fd/3)
  read -r links owner size kind < <(exec stat -L -c '%h %u %s %F' /proc/self/fd/3)
  [[ $real == "$root"/* && $kind == regular* ]] && ((links == 1 || owner == ${2:-owner}))
}
give_file() {
  local at
  head -c "$size" <&3 || exit 1
  # It may have shrunk; what was promised is sent.
  read -r _ at </proc/self/fdinfo/3
  ((at < size)) && head -c $((size - at)) /dev/zero
}
case $command in
  list) list "$@" ;;
  read)
    while IFS= read -rd '' word; do
      case $word in
        '?'*) if open_file "${word#?}" "$1"; then echo "file $size"; else echo skip; fi ;;
        =) give_file ;;
      esac
    done
    ;;
esac
