# launch ROOT BUILD ASIDE USER: puts ASIDE into its place, if there is one, and starts the supervisor of BUILD or finds it.
# Says `running`, `ended`, `lost`, `failed WHY`, or `absent BOOT EUID UID GID` when there is no such build yet.

root=$1 build=$2 aside=$3 user=$4
dir=$root/$build
if [[ $aside ]]; then
  # Whoever was here first has laid the same.
  mv -T -- "$root/$aside" "$dir" 2>/dev/null || rm -rf -- "${root:?}/$aside"
fi
state_of "$dir"
case $state in
  ended) echo ended; exit ;;
  none)
    uid='' gid=''
    [[ $user ]] && uid=$(id -u -- "$user" 2>/dev/null) && gid=$(id -g -- "$user")
    read -r boot </proc/sys/kernel/random/boot_id
    echo "absent $boot $EUID $uid $gid"
    exit
    ;;
esac
exec 3< <(exec setsid env -i "PATH=$PATH" /bin/bash "$dir/supervisor.sh" run "$dir" </dev/null 2>&1)
said=''
while IFS= read -r -t 30 line <&3; do
  case $line in
    running | ended) echo "$line"; exit ;;
    lost) reap "$dir"; echo lost; exit ;;
  esac
  said=$line
done
echo "failed ${said:-it said nothing}"
