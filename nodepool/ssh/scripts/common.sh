# What the other scripts share. They run on the node in bash 4.4 or newer, with coreutils, util-linux, findutils and grep; each
# is sent over standard input with its arguments set, and what it reads after that is its input. Ours are the folders of builds
# below one root; supervisor.sh in each of them tells their protocol.

umask 077

# Start time of a process: tells it from a later one with its number.
started() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${stat##*) }
  [[ $1 != [ZX] ]] && start=${20}
}

# none: no build; prepared: no step ever began; alive; dead: it began and is gone; rebooted; ended.
state_of() {
  local boot pid since
  [[ -e $1/spec ]] || { state=none; return; }
  [[ -e $1/result ]] && { state=ended; return; }
  read -r boot </proc/sys/kernel/random/boot_id
  grep -qx "boot=$boot" "$1/spec" || { state=rebooted; return; }
  read -r pid since _ 2>/dev/null <"$1/supervisor" || { state=prepared; return; }
  if started "$pid" && [[ $start == "$since" ]]; then state=alive; return; fi
  # It ends right after it wrote its result.
  if [[ -e $1/result ]]; then state=ended; else state=dead; fi
}

# Processes of a build that would not die, as its supervisor counted them.
left_of() {
  local result
  IFS= read -r result <"$1/result"
  left=${result##* left=}
}

# Kills what a dead supervisor left.
reap() {
  local said
  said=$(/bin/bash "$1/supervisor.sh" reap "$1")
  [[ $said == 0 ]]
}

# Asks a build to end and waits for it: grace for its steps, then as long as a supervisor may take to clear up.
stop_build() {
  local round
  state_of "$1"
  [[ $state == none || $state == rebooted ]] && return
  if [[ $state != ended ]]; then
    /bin/bash "$1/supervisor.sh" stop "$1" "$2"
    for ((round = 0; round < ($3 + 30000) / 100; round++)); do
      state_of "$1"
      [[ $state == alive ]] || break
      sleep 0.1
    done
  fi
  case $state in
    alive) return 1 ;;
    ended) left_of "$1"; ((left == 0)) || reap "$1" ;;
    dead) reap "$1" ;;
  esac
}

# Makes the root: everybody may pass it, nobody else look around in it.
ready_root() { [[ -d $1 ]] || (umask 066 && mkdir -p -- "$1") || exit 3; }

# Reads content from stdin into a file: pieces `length NUL bytes`, the last of length 0.
content() {
  local length=''
  : >"$1" || return
  while IFS= read -rd '' length && ((length)); do head -c "$length" >>"$1" || return; length=''; done
  [[ $length == 0 ]]
}
