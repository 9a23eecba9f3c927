# stop DIR WHY GRACE: says `quiet` when nothing of the build runs any more.

stop_build "$1" "$2" "$3" && echo quiet
exit 0
