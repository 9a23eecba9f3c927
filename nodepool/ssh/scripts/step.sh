# held DIR: the step that waits, if one does. go DIR STEP: lets it go on.

case $1 in
  held) cat -- "$2/held" 2>/dev/null ;;
  go)
    [[ $(cat -- "$2/held" 2>/dev/null) == "$3" ]] || exit 0
    printf -v number %02d "$3"
    : >"$2/go.$number" || exit 3
    ;;
esac
exit 0
