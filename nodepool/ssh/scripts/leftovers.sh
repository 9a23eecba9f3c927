# leftovers ROOT: builds that left something here, each ended by a NUL.

shopt -s nullglob dotglob
for path in "$1"/build-* "$1"/.build-* "$1"/.gone.build-*; do
  name=${path##*/}
  case $name in
    .gone.*) name=${name#.gone.} name=${name%.*} ;;
    .*) name=${name#.} name=${name%.*} ;;
  esac
  printf '%s\0' "$name"
done
