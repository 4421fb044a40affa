#!/bin/sh
# The demo: index the photographs, search them in words and by a picture, write contact sheets.
set -eu
sightsound=$1
out=$2
media=$(dirname "$0")/media
run() {
    printf '\n$ sightsound'
    for word in "$@"; do case $word in *" "*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac; done
    printf '\n'
    "$sightsound" "$@"
}

mkdir -p "$out"
echo "Indexing the demo photographs, by their pixels and by media.csv"
run index "$media/media.csv"
run search "a castle by the water" --limit 5
run search "an animal in the snow" --limit 4
run search "old stone building" --not castle --limit 5
run search "a tennis match" --limit 2
run search --image "$media/photos/fish9.jpg" --limit 5
run search "a wild cat" --limit 24 --sheet "$out/wild-cats.html" --paths >/dev/null
run similar "$media/photos/eiffeltower.jpg" --limit 24 --sheet "$out/like-the-eiffel-tower.html" --paths >/dev/null
printf '\nContact sheets, to open in a browser:\n  %s\n  %s\n' "$out/wild-cats.html" "$out/like-the-eiffel-tower.html"
printf '\nThe same in a browser:\n  SIGHTSOUND_HOME=%s %s serve\n' "$out" "$sightsound"
