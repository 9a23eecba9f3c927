# lay BASE UID GID: lays entries from stdin down below BASE, which is made if it is not there. An entry is NUL-terminated
# words, kind mode owner path, then for a file its content, for a link its target; `end` closes the list.

base=$1 uid=$2 gid=$3
own() {
  chmod "$2" "$1" || exit 3
  [[ $uid ]] || return 0
  if [[ $3 == job ]]; then chown -- "$uid:$gid" "$1"; else chown -- "$EUID:$gid" "$1"; fi || exit 3
}
ready_root "${base%/*}"
mkdir -p -- "$base" || exit 3
kind=''
while IFS= read -rd '' kind && [[ $kind != end ]]; do
  IFS= read -rd '' mode && IFS= read -rd '' owner && IFS= read -rd '' path || exit 4
  case $kind in
    folder) mkdir -p -- "$base/$path" || exit 3; own "$base/$path" "$mode" "$owner" ;;
    file) content "$base/$path" || exit 3; own "$base/$path" "$mode" "$owner" ;;
    link) IFS= read -rd '' target || exit 4; ln -s -- "$target" "$base/$path" || exit 3 ;;
  esac
done
[[ $kind == end ]] || exit 4
own "$base" 710 ours
