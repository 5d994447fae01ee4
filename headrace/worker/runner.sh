# Runs a script beside the worker, once a file, in any image that has /bin/sh.
#
#   sh runner.sh REQUESTS REPLIES SCRIPT
#
# REQUESTS and REPLIES are named pipes. In: one line a file, the task's folder, which holds `environment`
# (export lines) and takes `log`. Out: {"ready": 0} once, then {"code": N} for each file.
# TERM ends it after the file in hand. /bin/sh runs the script, whatever its first line says, as under OSCAR's
# supervisor; its working directory is the task's folder, as there is no image.

copied() { # a link to a file becomes a copy of it
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

script=$3
exec 3<"$1" 4>"$2"
stop=
trap 'stop=1' TERM
printf '{"ready": 0}\n' >&4
while [ -z "$stop" ] && IFS= read -r folder <&3; do
  (
    exec 3<&- 4>&-
    trap - TERM
    . "$folder/environment"
    cd "$TMP_OUTPUT_DIR/.." || exit 1
    exec /bin/sh "$script"
  ) </dev/null >>"$folder/log" 2>&1
  code=$?
  copied "$folder/output" "$folder/output/" >>"$folder/log" 2>&1
  printf '{"code": %d}\n' "$code" >&4
done
