#!/bin/bash
# The supervisor of one build. It runs on the node (this machine, or another one over ssh), outlives whoever started it, and
# needs bash 4.4, coreutils, util-linux and grep: what every Debian and Ubuntu has before anything is installed.
#
#   supervisor.sh run DIR         claims DIR, says one word on stdout, detaches from it and runs the steps
#   supervisor.sh stop DIR WHY    asks a running (or future) supervisor to end the build; WHY is cancel or timeout
#   supervisor.sh reap DIR        kills what a dead supervisor left; says how many processes would not die
#   supervisor.sh step DIR NN     (internal) becomes step NN; runs as the job's user
#
# DIR was prepared and renamed into place as a whole. In it, ours alone: spec, env, steps/, lock, supervisor, output, ticks,
# stop, held, go.NN, result. The job's: job/workspace, job/home, job/tmp, job/inject. A build that follows another one in its
# workspace has a link to that one's `job`.
#
# A build runs at most once. Whoever holds the lock (flock) runs it; `supervisor` (pid, start time, boot) is renamed into place
# before the first step. So: lock held = it runs; `result` = it ended; `supervisor` without either = it died with a step begun,
# which is `lost` for ever; none of the three = no step ever began. A reboot takes the page cache with it, and with it perhaps
# the claim: a DIR prepared under another boot is lost, too. That spares an fsync on the way to the first step.
#
# Output goes through a fifo that belongs to the job's user (so that `> /dev/stdout` works for it) into a pump, whose file
# position is our clock: every 50 ms or so in which it moved, one line `ms bytes` goes to `ticks`. The time of a byte is the time of
# the first tick beyond it, whoever reads it, whenever.
#
# Timeouts are measured by /proc/uptime: the wall clock may jump. Leftovers are found by session and by a cookie in their
# environment; if the job's user belongs to this slot alone, by user.

set +m
export LC_ALL=C
umask 077

command=${1-} dir=${2-} argument=${3-}
cd / || exit 3

spec() {
  local key value
  timeout=0 idle=0 grace=10000 limit=1073741824 steps=0 cookie='' boot='' uid='' gid='' groups=clear
  exclusive=0 nnp=1 nofile=65536 nproc=16384
  while IFS='=' read -r key value; do
    case $key in
      timeout | idle | grace | limit | steps | cookie | boot | uid | gid | groups | exclusive | nnp | nofile | nproc)
        printf -v "$key" %s "$value" ;;
    esac
  done <"$dir/spec" || exit 3
}

# Monotonic, ms.
uptime() {
  read -r up _ </proc/uptime
  up=$((10#${up/./}0))
}

# Wall clock, ms. bash 4.4 (Ubuntu 18.04) has no EPOCHREALTIME.
now() {
  ms=${EPOCHREALTIME-}
  if [[ $ms ]]; then ms=${ms/./} ms=${ms:0:-3}; else ms=$(date +%s%3N); fi
}

# Start time of a process in clock ticks since boot: tells a process from a later one with its number.
started() {
  local stat
  start=''
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${stat##*) }
  start=${20-}
  [[ $1 != [ZX] ]]
}

alive() { started "$1" && [[ $start == "$2" ]]; }

# 50 ms, and three times that when nothing has been written for five seconds. A poke of `stop` ends it.
pause() {
  local nap=0.05
  ((quiet > 100)) && nap=0.15
  IFS= read -r -t "$nap" -u 5 _
}

tick() {
  local pos
  read -r _ pos </proc/self/fdinfo/7
  if ((pos != seen)); then
    now
    printf '%s %s\n' "$ms" "$pos" >&6
    seen=$pos quiet=0 moved=''
  else
    quiet=$((quiet + 1))
  fi
  if [[ $pump ]] && ! alive "$pump" "$pump_start"; then
    # The pump ended although the fifo is open: the output passed its limit (SIGXFSZ) or the disk is full. Drain the rest
    # and count it, so that the job neither blocks nor dies of it.
    wait "$pump"
    if (($? == 153)); then over=1; else full=1; fi
    pump=''
    wc -c <"$dir/pipe" 1<>"$dir/dropped" 5>&- 6>&- 7>&- 8>&- 9>&- &
    drain=$!
    started "$drain"
    drain_start=$start
  fi
}

# Fills `pids` with the live processes of the build.
survivors() {
  local path stat pid found=" ${child:+$child }"
  pids=()
  for path in /proc/[0-9]*/stat; do
    { read -r stat <"$path"; } 2>/dev/null || continue
    set -- ${stat##*) }
    [[ ${1-Z} == [ZX] ]] && continue
    [[ $sessions == *" ${4-} "* ]] || continue
    pid=${path//[!0-9]/}
    pids+=("$pid")
    [[ $found == *" $4 "* ]] || found+="$4 "
  done
  # A session without a process is forgotten: its number may be given to strangers.
  sessions=$found
  while IFS=/ read -r _ _ pid _; do
    started "$pid" && pids+=("$pid")
  done < <(printf '%s\0' /proc/[0-9]*/environ | xargs -0 grep -alF -- "STACKGATE_COOKIE=$cookie" 2>/dev/null)
}

signal_all() {
  local session
  if [[ $1 == KILL && $exclusive == 1 && $uid ]]; then
    # One system call for all of them: no fork bomb outruns it.
    setpriv --reuid "$uid" --regid "$gid" --clear-groups /bin/bash -c 'kill -KILL -1' 2>/dev/null 9>&-
  fi
  survivors
  [[ $child ]] && kill "-$1" "$child" 2>/dev/null
  for session in $sessions; do kill "-$1" -- "-$session" 2>/dev/null; done
  ((${#pids[@]})) && kill "-$1" "${pids[@]}" 2>/dev/null
}

# SIGKILL until nothing is left, 10 s at most.
kill_all() {
  local until
  uptime
  until=$((up + 10000))
  while :; do
    signal_all KILL
    survivors
    ((${#pids[@]} == 0)) && return
    uptime
    ((up > until)) && return
    "$1"
  done
}

turn() { tick; pause; }

nap() { sleep 0.05; }

# The daemons a build leaves behind get a chance to end well, as Jenkins gives it.
clear_leftovers() {
  local until
  survivors
  if ((${#pids[@]} == 0)); then
    [[ $exclusive == 1 ]] && signal_all KILL
    return
  fi
  signal_all TERM
  uptime
  until=$((up + (grace < 2000 ? grace : 2000)))
  while ((up < until && ${#pids[@]} > 0)); do turn; survivors; uptime; done
  kill_all turn
}

run_step() {
  local drop=() identity sent='' kill_at=0
  [[ $uid ]] && drop=(setpriv --reuid "$uid" --regid "$gid" "--$groups-groups" --inh-caps=-all --ambient-caps=-all)
  [[ $uid && $nnp == 1 ]] && drop+=(--no-new-privs)
  (
    ulimit -c 0
    ulimit -n "$nofile" 2>/dev/null
    [[ $uid ]] && ulimit -u "$nproc" 2>/dev/null
    { echo 500 >/proc/self/oom_score_adj; } 2>/dev/null
    exec setsid env -i "PATH=$PATH" "${drop[@]}" /bin/bash --noprofile --norc "$dir/supervisor.sh" step "$dir" "$step" \
      </dev/null >"$dir/pipe" 2>&1 4<"$dir/env" 5>&- 6>&- 7>&- 8>&- 9>&-
  ) &
  child=$!
  sessions+="$child "
  started "$child"
  identity=$start
  moved=''
  while :; do
    pause
    tick
    alive "$child" "$identity" || break
    uptime
    [[ $moved ]] || moved=$up
    if [[ ! $stopped ]]; then
      if [[ -e $dir/stop ]]; then
        read -r stopped <"$dir/stop"
      elif ((over)); then
        stopped=output
      elif ((up >= deadline)); then
        stopped=timeout
      elif ((idle && up - moved >= idle)); then
        stopped=quiet
      fi
    fi
    if [[ $stopped && ! $sent ]]; then
      sent=TERM kill_at=$((up + grace))
      signal_all TERM
    elif [[ $sent ]] && ((up >= kill_at)); then
      signal_all KILL
    fi
  done
  signal=''
  local said
  said=$(jobs -l)
  wait "$child"
  code=$? child=''
  # Only `jobs` tells `exit 137` from SIGKILL.
  if ((code > 128)) && [[ $said != *Exit* ]]; then signal=SIG$(kill -l $((code - 128))) code=''; fi
  [[ $code == 0 ]]
}

# A step may wait for whoever started us: `held` says which, and once `go.NN` is there it runs.
hold_step() {
  [[ -e steps/$number.hold ]] || return 0
  printf '%s\n' "$step" >held.new && mv held.new held
  code=''
  until [[ -e go.$number ]]; do
    pause
    tick
    uptime
    if [[ -e stop ]]; then
      read -r stopped <stop
    elif ((up >= deadline)); then
      stopped=timeout
    fi
    [[ $stopped ]] && return 1
  done
  rm -f held
}

# A step that guards others and ended with 1: they are left out, and nothing failed.
skip_steps() {
  local guarded
  [[ $code == 1 && ! $stopped && -e steps/$number.guards ]] || return 1
  read -r guarded <"steps/$number.guards"
  code=0 step=$((step + guarded))
}

# Less than 1 MiB or no inode left where the job writes.
disk_is_full() {
  local blocks size inodes
  read -r blocks size inodes < <(stat -f -c '%a %S %d' "$dir/job/workspace" 2>/dev/null)
  [[ $blocks && $inodes ]] && ((blocks * size < 1048576 || inodes == 0))
}

run() {
  local seen=0 quiet=0 pump='' pump_start='' drain='' drain_start='' full=0 over=0 stopped='' sessions=' ' child='' step=0 number=00 moved='' code='' signal='' begun until pos
  # Whoever started us may have left descriptors open that are none of the job's business. 255 is bash's own, this script.
  local fd
  for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    ((fd > 2 && fd != 255)) && exec {fd}>&-
  done
  spec
  cd "$dir" || exit 3
  exec 9>>lock
  until flock -n 9; do
    # Before that file is there, whoever holds the lock cannot be followed yet.
    if [[ -e supervisor ]]; then echo running; exit 0; fi
    sleep 0.02
  done
  if [[ -e result ]]; then echo ended; exit 0; fi
  local current
  read -r current </proc/sys/kernel/random/boot_id
  if [[ -e supervisor || $current != "$boot" ]]; then echo lost; exit 0; fi

  # Handlers, not ignored signals: a step would inherit those.
  trap : HUP INT TERM PIPE
  [[ -e pipe || -e control ]] && rm -f pipe control
  mkfifo pipe control || exit 3
  [[ $uid ]] && { chown "$uid:$gid" pipe || exit 3; }
  exec 5<>control 6>ticks 7>output 8<>pipe
  # Room for the result and its counters, taken while there is some: a full disk must not swallow the verdict.
  printf '%-1023s\n' '' >result.new && printf '%-63s\n' '' >dropped || exit 3
  started $$
  printf '%s %s %s\n' $$ "$start" "$boot" >supervisor.new && mv supervisor.new supervisor || exit 3
  echo running
  exec 1>>supervisor.log 2>&1

  now
  begun=$ms
  uptime
  deadline=$((up + timeout))
  (ulimit -c 0 -f $(((limit + 1023) / 1024)); exec cat <pipe >&7 5>&- 6>&- 8>&- 9>&-) &
  pump=$!
  started "$pump"
  pump_start=$start

  if [[ $exclusive == 1 ]]; then signal_all KILL; fi
  for ((step = 0; step < steps; step++)); do
    [[ -e stop ]] && read -r stopped <stop
    [[ $stopped ]] && break
    printf -v number %02d "$step"
    hold_step || break
    run_step || skip_steps || break
    [[ $stopped ]] && break
  done
  ((step == steps && step > 0)) && step=$((step - 1))
  ((steps == 0)) && [[ ! $stopped ]] && code=0
  [[ $code != 0 ]] && disk_is_full && full=1
  clear_leftovers
  local left=${#pids[@]}

  # The last writer is gone, so the pump meets the end of the fifo; one that cannot be killed keeps us 5 s, not for ever.
  exec 8>&-
  uptime
  until=$((up + 5000))
  while ((up < until)); do
    if [[ $drain ]]; then alive "$drain" "$drain_start" || break; else alive "$pump" "$pump_start" || break; fi
    pause
    uptime
    read -r _ pos </proc/self/fdinfo/7
    if ((pos != seen)); then now; printf '%s %s\n' "$ms" "$pos" >&6; seen=$pos; fi
  done
  if [[ $pump ]]; then
    alive "$pump" "$pump_start" && kill -KILL "$pump" 2>/dev/null
    wait "$pump"
    (($? == 1)) && full=1
  fi
  [[ $drain ]] && kill -KILL "$drain" 2>/dev/null
  local lost
  read -r _ pos </proc/self/fdinfo/7
  now
  ((pos != seen)) && printf '%s %s\n' "$ms" "$pos" >&6
  read -r lost <dropped
  printf 'code=%s signal=%s step=%s stopped=%s started=%s finished=%s output=%s dropped=%s full=%s left=%s' \
    "$code" "$signal" "$step" "$stopped" "$begun" "$ms" "$pos" "${lost:-0}" "$full" "$left" 1<>result.new
  sync output ticks result.new 2>/dev/null
  mv result.new result
  sync . 2>/dev/null
}

# Takes variables from stdin, each ended by a NUL.
take() {
  while IFS= read -r -d '' __sg_pair; do
    __sg_name=${__sg_pair%%=*}
    [[ $__sg_name && $__sg_pair == *=* ]] || continue
    case $__sg_name in
      BASH* | EUID | PPID | SHELLOPTS | UID | RANDOM | SRANDOM | SECONDS | LINENO | HISTCMD | EPOCH* | GROUPS | FUNCNAME | \
        DIRSTACK | COMP_* | IFS | OPTIND | OPTARG | OPTERR | _ | __sg_*) __sg_more+=("$__sg_pair") ;;
      [A-Za-z_]*)
        if [[ $__sg_name == *[!A-Za-z0-9_]* ]]; then __sg_more+=("$__sg_pair"); else export "$__sg_pair"; fi ;;
      *) __sg_more+=("$__sg_pair") ;;
    esac
  done
}

# Runs as the job's user; fd 4 is the environment, which that user may not open. Our own names carry a prefix, since the job
# may have any. Parameters that are no shell identifiers (Jenkins allows `foo.bar`) go through env(1).
step() {
  local __sg_pair __sg_name __sg_more=() __sg_words=() __sg_number
  umask 022
  cd "$dir/job/workspace" || exit 126
  printf -v __sg_number %02d "$argument"
  while IFS= read -r -d '' __sg_pair; do __sg_words+=("$__sg_pair"); done <"$dir/steps/$__sg_number.argv"
  take <&4
  # Then what earlier steps injected: the job's own, like everything it names.
  [[ -r $dir/job/inject ]] && take <"$dir/job/inject"
  exec 4<&-
  if ((${#__sg_more[@]})); then exec /usr/bin/env "${__sg_more[@]}" "${__sg_words[@]}"; fi
  exec "${__sg_words[@]}"
}

case $command in
  run)
    run
    ;;
  stop)
    printf '%s\n' "$argument" >"$dir/stop.$$" && mv "$dir/stop.$$" "$dir/stop" || exit 3
    [[ -p $dir/control ]] && timeout 1 bash -c 'echo >"$1"' - "$dir/control"
    ;;
  reap)
    spec
    exec 9>>"$dir/lock"
    flock -n 9 || { echo running; exit 0; }
    sessions=' '
    child=''
    kill_all nap
    echo "${#pids[@]}"
    ;;
  step)
    step
    ;;
  *)
    exit 2
    ;;
esac
