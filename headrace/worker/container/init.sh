# Process 1 of the user's container, for a script: runs it once a file, in any image that has /bin/sh.
#
#   sh init.sh REQUESTS REPLIES SCRIPT
#
# REQUESTS and REPLIES are named pipes that the supervisor has opened. In come lines "ID WORD [FOLDER]":
#
#   start        {"ready": 0} is answered
#   run FOLDER   {"code": N} once the script has ended and whatever it left behind was killed
#   kill         all but this process is killed, then {"killed": true}
#   end          everything ends
#
# ID is what this process said of itself in its {"hello": ID, "gpus": SERVERS}: a line for one before it counts
# for nothing. SERVERS are those whose GPUs the container has.
# TERM is told at once as {"leaving": true}; the script goes on, and the supervisor says when to end. Should
# the supervisor die, everything ends. `kill -1` reaches this container's processes only, and never this one.

if [ $$ -ne 1 ]; then
  echo "init.sh: found process $$, allowed process 1 of a container: it kills all others" >&2
  exit 1
fi
umask 002
script=$3
folder=
told=
connected=

leave() {
  told=1
  if [ -n "$connected" ]; then
    printf '{"leaving": true}\n' >&4
  fi
}

work() {
  (
    exec 3<&- 4>&-
    . "$1/environment"
    export TMPDIR="${TMPDIR:-$1/scratch}"
    exec /bin/sh "$script"
  ) </dev/null >>"$1/log" 2>&1
  code=$?
  kill -KILL -1 2>/dev/null
  opened "$1"
  copied "$1/output" "$1/output/" >>"$1/log" 2>&1
  printf '{"code": %d}\n' "$code" >&4
}

opened() { # what the script wrote with a mode of its own is the supervisor's to read and to remove
  chmod -R g+rwX "$1/input" "$1/output" "$1/scratch" 2>/dev/null
}

copied() { # a link to a file becomes a copy of it, made here, where no more can be read than by the script
  for each in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if [ -d "$each" ] && [ ! -L "$each" ]; then
      copied "$each" "$2"
    elif [ -L "$each" ] && [ -f "$each" ]; then
      cp "$each" "$each.headrace" && mv -f "$each.headrace" "$each" || rm -f "$each.headrace"
    elif [ -L "$each" ] || { [ -e "$each" ] && [ ! -f "$each" ]; }; then
      echo "headrace: ${each#"$2"} is neither a file nor a link to one: left out of the results"
    fi
  done
}

trap leave TERM
exec 3<"$1" 4>"$2"
connected=1
IFS= read -r id </proc/sys/kernel/random/uuid
printf '{"hello": "%s", "gpus": "%s"}\n' "$id" "$HEADRACE_GPU_SERVERS" >&4
if [ -n "$told" ]; then
  leave
fi
told=
while :; do
  if ! read -r who word rest <&3; then
    [ -n "$told" ] || exit 70 # the supervisor is gone; otherwise TERM came
    told=
    continue
  fi
  [ "$who" = "$id" ] || continue
  case $word in
    start) printf '{"ready": 0}\n' >&4 ;;
    run)
      wait # the one before: it has answered, and what it left was killed
      folder=$rest
      work "$folder" &
      ;;
    kill)
      kill -KILL -1 2>/dev/null
      wait 2>/dev/null
      if [ -n "$folder" ]; then
        opened "$folder"
      fi
      printf '{"killed": true}\n' >&4
      ;;
    end) exit 0 ;;
  esac
done
