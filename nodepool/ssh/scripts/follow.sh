# follow DIR OFFSET TICKS: tells the output of a build from byte OFFSET on, its ticks from byte TICKS of their file on, until
# it has ended or whoever listens is gone. Lines:
#
#   t MS BYTES   a tick          d N         N bytes of output follow, which ticks (or the end) cover
#   p            a pulse         r RESULT    it has ended; the rest of its output follows
#   x STATE      it will never end: none, prepared, dead, rebooted

dir=$1 pos=$2 heard=$3
cd "$dir" 2>/dev/null || { echo 'x none'; exit; }
state_of .
[[ $state == alive || $state == ended ]] && exec 3<ticks 4<output || { echo "x $state"; exit; }
((heard)) && head -c "$heard" <&3 >/dev/null

give() {
  ((until > pos)) || return 0
  echo "d $((until - pos))"
  dd if=output bs=256K iflag=skip_bytes,count_bytes,fullblock skip="$pos" count=$((until - pos)) status=none || exit 1
  pos=$until
}

rest='' until=$pos naps=0
while :; do
  result=''
  # Before the ticks and the output: once it is there, they are whole.
  [[ -e result ]] && IFS= read -r result <result
  lines='' more='' count=0
  while :; do
    if ! IFS= read -r line <&3; then rest+=$line; break; fi
    line=$rest$line rest=''
    lines+="t $line"$'\n'
    [[ $line =~ ^[0-9]{13}\ [0-9]{1,15}$ ]] && ((${line#* } > until)) && until=${line#* }
    if ((++count == 2000)); then more=1; break; fi
  done
  before=$pos
  if [[ $lines ]]; then printf %s "$lines" || exit 1; fi
  if [[ $result && ! $more ]]; then
    size=$(stat -c %s output)
    all=${result##* output=} all=${all%% *}
    ((all > until)) && until=$((all < size ? all : size))
    echo "r $result" || exit 1
    give
    exit 0
  fi
  give
  if [[ $more ]] || ((pos > before)); then naps=0; continue; fi
  ((++naps % 20 == 0)) && {
    echo p || exit 1
    state_of .
    [[ $state == alive || $state == ended ]] || { echo "x $state"; exit; }
  }
  # Nothing ever comes on stdin: its end says that nobody listens any more.
  nap=0.05
  ((naps > 100)) && nap=0.2
  IFS= read -r -t "$nap" _
  (($? > 128)) || exit 0
done
